#include "core/config/config.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <tuple>
#include <utility>

#include "core/base/files.hpp"
#include "core/base/ids.hpp"
#include "core/base/text.hpp"
#include "core/config/reader.hpp"
#include "core/driver/kinds.hpp"

namespace gantry::config {
namespace {

constexpr std::size_t largest_file = 1u << 20;

using Names = std::vector<std::string>;

constexpr const char* a_name =
    "a driver's name: a letter of a-z, then a-z, 0-9, \"_\" and \"-\", 32 characters at most";

const Names& top_keys() {
    static const Names keys = {"name",
                               "drivers",
                               "default",
                               "log_level",
                               "log",
                               "address_pools",
                               "dns",
                               "socket_group",
                               "hosts",
                               "tls",
                               "plain_loopback",
                               "shutdown_timeout",
                               "stop_timeout",
                               "pids_limit",
                               "events_kept",
                               "registries",
                               "proxies",
                               "certificate_directories",
                               "max_concurrent_downloads",
                               "max_concurrent_uploads",
                               "max_download_attempts",
                               "images",
                               "build"};
    return keys;
}

void read_name(Reader& reader, const Json& json, Config& config) {
    reader.text(json, "", "name", &config.name);
    bool sound = config.name.size() <= 20;
    for (char c : config.name) sound = sound && ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-');
    if (!sound || config.name.starts_with('-'))
        reader.problem("/name", "found \"" + config.name + "\", must be at most 20 of a-z, 0-9 and \"-\"");
}

void read_driver_path(Reader& reader, const Json& drivers, Config& config) {
    reader.texts(drivers, "/drivers", "path", &config.driver_path, [](const std::string& path) {
        return path.starts_with('/') && path.find('\0') == std::string::npos ? "" : "must be an absolute path";
    });
}

void read_driver(Reader& reader, const std::string& name, const Json& json, Config& config) {
    static const Names keys = {"use", "options", "isolation"};
    static const Names isolations = {"in-process", "process"};
    const std::string pointer = "/drivers/" + name;
    if (!driver::valid_driver_name(name)) return reader.problem(pointer, "found \"" + name + "\", must be " + a_name);
    if (!reader.object(json, pointer, keys)) return;
    driver::Wanted wanted;
    wanted.name = name;
    reader.text(json, pointer, "use", &wanted.use);
    if (!wanted.use.empty() && !driver::valid_driver_name(wanted.use))
        reader.problem(pointer + "/use", "found \"" + wanted.use + "\", must be " + a_name);
    if (auto options = json.find("options"); options != json.end()) {
        if (reader.object(*options, pointer + "/options", {})) wanted.options = *options;
    }
    std::string isolation;
    reader.choice(json, pointer, "isolation", isolations, &isolation);
    if (isolation == "in-process") wanted.isolation = driver::Isolation::in_process;
    if (isolation == "process") wanted.isolation = driver::Isolation::process;
    config.drivers.push_back(std::move(wanted));
}

void read_drivers(Reader& reader, const Json& json, Config& config) {
    auto drivers = json.find("drivers");
    if (drivers == json.end() || !reader.object(*drivers, "/drivers", {})) return;
    read_driver_path(reader, *drivers, config);
    for (const auto& [name, value] : drivers->items())
        if (name != "path") read_driver(reader, name, value, config);
}

void read_defaults(Reader& reader, const Json& json, Config& config) {
    static const Names keys = {"network", "volume", "layer", "runtime", "host_network", "none_network"};
    auto found = json.find("default");
    if (found == json.end() || !reader.object(*found, "/default", keys)) return;
    Defaults& d = config.defaults;
    for (auto [key, member] : {std::pair{"network", &d.network},
                               {"volume", &d.volume},
                               {"layer", &d.layer},
                               {"runtime", &d.runtime},
                               {"host_network", &d.host_network},
                               {"none_network", &d.none_network}}) {
        reader.text(*found, "/default", key, member);
        if (!driver::valid_driver_name(*member))
            reader.problem(std::string("/default/") + key, "found \"" + *member + "\", must be " + a_name);
    }
}

void read_log(Reader& reader, const Json& json, Config& config) {
    static const Names keys = {"driver", "max-size", "max-file"};
    static const Names drivers = {"local", "json-file", "none"};
    auto found = json.find("log");
    if (found == json.end() || !reader.object(*found, "/log", keys)) return;
    reader.choice(*found, "/log", "driver", drivers, &config.log.driver);
    if (auto size = found->find("max-size"); size != found->end()) {
        std::optional<std::int64_t> bytes;
        if (size->is_string()) bytes = parse_size(size->get<std::string>());
        if (size->is_number_integer()) bytes = size->get<std::int64_t>();
        if (bytes && *bytes >= 4096 && *bytes <= (std::int64_t{1} << 40))
            config.log.max_size = *bytes;
        else
            reader.problem("/log/max-size",
                           "found " + found_in_words(*size) + ", must be a size from 4k to 1t such as \"20m\"");
    }
    std::int64_t files = config.log.max_file;
    reader.number(*found, "/log", "max-file", 1, 1000, &files);
    config.log.max_file = static_cast<int>(files);
}

// "20g", or a number of bytes.
void read_cache(Reader& reader, const Json& json, Build& build) {
    static const Names keys = {"max_size", "max_age"};
    auto found = json.find("cache");
    if (found == json.end() || !reader.object(*found, "/build/cache", keys)) return;
    if (auto size = found->find("max_size"); size != found->end()) {
        std::optional<std::int64_t> bytes;
        if (size->is_string()) bytes = parse_size(size->get<std::string>());
        if (size->is_number_integer()) bytes = size->get<std::int64_t>();
        if (bytes && *bytes >= 0 && *bytes <= (std::int64_t{1} << 50))
            build.cache_max_size = *bytes;
        else
            reader.problem("/build/cache/max_size",
                           "found " + found_in_words(*size) + ", must be a size such as \"20g\", 0 for no limit");
    }
    if (auto age = found->find("max_age"); age != found->end()) {
        std::optional<std::int64_t> ns;
        if (age->is_string()) ns = parse_duration(age->get<std::string>());
        if (ns && *ns >= 0)
            build.cache_max_age = *ns / 1'000'000'000;
        else
            reader.problem("/build/cache/max_age", "found " + found_in_words(*age) +
                                                       ", must be a duration such as \"240h\", \"0s\" for no limit");
    }
}

void read_build(Reader& reader, const Json& json, Config& config) {
    static const Names keys = {"cache", "entitlements"};
    auto found = json.find("build");
    if (found == json.end() || !reader.object(*found, "/build", keys)) return;
    read_cache(reader, *found, config.build);
    reader.texts(*found, "/build", "entitlements", &config.build.entitlements, [](const std::string& name) {
        return name == "network.host" || name == "security.insecure" ? "" : "must be network.host or security.insecure";
    });
}

struct Pool {
    int length = 0, longest = 0;  // of its prefix, and of a network taken from it
};

// "172.16.0.0/12", "fd00:1::/48": nothing where it is no network with room for others.
std::optional<Pool> pool_of(const std::string& base) {
    const std::size_t slash = base.find('/');
    if (slash == std::string::npos) return std::nullopt;
    const bool six = base.find(':') != std::string::npos;
    std::array<unsigned char, sizeof(in6_addr)> address{};
    const int bits = six ? 128 : 32;
    auto length = parse_int(std::string_view(base).substr(slash + 1));
    if (::inet_pton(six ? AF_INET6 : AF_INET, base.substr(0, slash).c_str(), address.data()) != 1 || !length ||
        *length < 1 || *length > bits - 2)
        return std::nullopt;
    for (int bit = static_cast<int>(*length); bit < bits; ++bit)
        if (address[static_cast<std::size_t>(bit / 8)] & 0x80u >> bit % 8) return std::nullopt;
    return Pool{static_cast<int>(*length), bits - 3};
}

void read_pools(Reader& reader, const Json& json, Config& config) {
    static const Names keys = {"base", "size"};
    auto found = json.find("address_pools");
    if (found == json.end()) return;
    if (!found->is_array() || found->empty())
        return reader.problem("/address_pools",
                              "found " + found_in_words(*found) + ", must be a list of {\"base\", \"size\"}");
    const auto defaults = std::exchange(config.address_pools, {});
    for (std::size_t i = 0; i < found->size(); ++i) {
        const std::string pointer = "/address_pools/" + std::to_string(i);
        if (!reader.object((*found)[i], pointer, keys)) continue;
        std::string base;
        reader.text((*found)[i], pointer, "base", &base);
        auto pool = pool_of(base);
        if (!pool) {
            reader.problem(
                (*found)[i].contains("base") ? pointer + "/base" : pointer,
                "found \"" + base +
                    "\", \"base\" must be a network such as \"172.16.0.0/12\" or \"fd00:1::/48\", host bits zero");
            continue;
        }
        const bool six = base.find(':') != std::string::npos;
        std::int64_t size = std::max(six ? 64 : 24, pool->length);
        reader.number((*found)[i], pointer, "size", pool->length, pool->longest, &size);
        config.address_pools.emplace_back(base, static_cast<int>(size));
    }
    // Networks have IPv4 unless they are told otherwise.
    const auto is_four = [](const auto& pool) { return pool.first.find(':') == std::string::npos; };
    if (std::none_of(config.address_pools.begin(), config.address_pools.end(), is_four))
        config.address_pools.insert(config.address_pools.end(), defaults.begin(), defaults.end());
}

void read_dns(Reader& reader, const Json& json, Config& config) {
    reader.texts(json, "", "dns", &config.dns, [](const std::string& address) {
        in6_addr ignored{};
        const bool is_one = ::inet_pton(AF_INET, address.c_str(), &ignored) == 1 ||
                            ::inet_pton(AF_INET6, address.c_str(), &ignored) == 1;
        return is_one ? "" : "must be an IP address";
    });
}

void read_numbers(Reader& reader, const Json& json, Config& config) {
    std::int64_t shutdown = config.shutdown_timeout, stop = config.stop_timeout;
    reader.number(json, "", "shutdown_timeout", 0, 3600, &shutdown);
    reader.number(json, "", "stop_timeout", 0, 3600, &stop);
    config.shutdown_timeout = static_cast<int>(shutdown);
    config.stop_timeout = static_cast<int>(stop);
    reader.number(json, "", "pids_limit", -1, 4'194'304, &config.pids_limit);
    if (config.pids_limit == 0)
        reader.problem("/pids_limit", "found the number 0, must be -1 for no limit, or at least 1");
    reader.number(json, "", "events_kept", 1, 10'000'000, &config.events_kept);
}

void read_image_gc(Reader& reader, const Json& json, Config& config) {
    static const Names keys = {"gc"}, gc_keys = {"max_age", "max_size", "interval", "keep"};
    auto images = json.find("images");
    if (images == json.end() || !reader.object(*images, "/images", keys)) return;
    auto found = images->find("gc");
    if (found == images->end() || !reader.object(*found, "/images/gc", gc_keys)) return;
    auto duration = [&](const char* key, std::int64_t least, const char* allowed, std::int64_t* out) {
        auto given = found->find(key);
        if (given == found->end()) return;
        auto value = given->is_string() ? parse_duration(given->get<std::string>()) : std::nullopt;
        if (value && *value >= least)
            *out = *value;
        else
            reader.problem(std::string("/images/gc/") + key,
                           "found " + found_in_words(*given) + ", must be a duration " + allowed);
    };
    duration("max_age", 1'000'000'000, "of 1s or more such as \"720h\"", &config.image_gc.max_age_ns);
    duration("interval", 1'000'000'000, "of 1s or more such as \"1h\"", &config.image_gc.interval_ns);
    if (auto size = found->find("max_size"); size != found->end()) {
        std::optional<std::int64_t> bytes;
        if (size->is_string()) bytes = parse_size(size->get<std::string>());
        if (size->is_number_integer()) bytes = size->get<std::int64_t>();
        if (bytes && *bytes > 0)
            config.image_gc.max_size = *bytes;
        else
            reader.problem("/images/gc/max_size",
                           "found " + found_in_words(*size) + ", must be a size such as \"50GB\"");
    }
    reader.texts(*found, "/images/gc", "keep", &config.image_gc.keep,
                 [](const std::string& pattern) { return pattern.empty() ? "must be a pattern of names" : ""; });
}

// Names in "default" and "drivers", and drivers' options, against the files there are. Names that are no names at all have
// been told of.
void check_drivers(Reader& reader, const Json& json, const Config& config, const Installed& installed) {
    using driver::Kind;
    const driver::Settings settings = driver_settings(config, installed.drivers);
    const Defaults& d = config.defaults;
    const auto named = json.find("default");
    for (const auto& [key, kind, name] : {std::tuple{"network", Kind::network, &d.network},
                                          {"volume", Kind::volume, &d.volume},
                                          {"layer", Kind::layer, &d.layer},
                                          {"runtime", Kind::runtime, &d.runtime},
                                          {"host_network", Kind::network, &d.host_network},
                                          {"none_network", Kind::network, &d.none_network}}) {
        // What the file does not name is the installation's matter, not the configuration's.
        if (named == json.end() || !named->is_object() || !named->contains(key)) continue;
        if (!(*named)[key].is_string() || !driver::valid_driver_name(*name)) continue;
        if (std::string wrong = driver::name_mistake(settings, kind, *name); !wrong.empty())
            reader.problem(std::string("/default/") + key, wrong);
    }
    for (const driver::Wanted& wanted : config.drivers) {
        if (!wanted.use.empty() && !driver::valid_driver_name(wanted.use)) continue;
        const std::string pointer = "/drivers/" + wanted.name;
        for (const driver::Mistake& mistake : driver::mistakes(settings, wanted, installed.ask))
            reader.problem(!mistake.option.empty() ? pointer + "/options/" + mistake.option
                           : wanted.use.empty()    ? pointer
                                                   : pointer + "/use",
                           mistake.text);
    }
}

// The parser's own words, without its tags and its place.
std::string syntax_message(const std::string& what) {
    std::size_t at = what.find("syntax error");
    std::string text = at == std::string::npos ? what : what.substr(at);
    for (char& c : text)
        if (static_cast<unsigned char>(c) < 0x20) c = ' ';
    return text;
}

}  // namespace

std::vector<std::string> check(std::string_view text, const std::string& file, Config* config,
                               const Installed* installed) {
    *config = Config{};
    if (trim(text).empty()) return {};
    Json json;
    try {
        json = Json::parse(text, nullptr, true, true);
    } catch (const Json::parse_error& e) {
        const Place place = place_of(text, e.byte > 0 ? e.byte - 1 : 0);
        return {file + ":" + std::to_string(place.line) + ":" + std::to_string(place.column) + ": " +
                syntax_message(e.what())};
    } catch (const Json::exception& e) {
        return {file + ":1:1: " + e.what()};
    }
    Reader reader(text, file);
    if (reader.locator().too_deep()) return {file + ":1:1: nested deeper than any configuration is"};
    for (const std::string& key : reader.locator().twice()) reader.problem(key, "the key stands twice in one object");
    if (!reader.object(json, "", top_keys())) return reader.problems();
    static const Names levels = {"error", "warn", "info", "debug"};
    read_name(reader, json, *config);
    read_drivers(reader, json, *config);
    read_defaults(reader, json, *config);
    reader.choice(json, "", "log_level", levels, &config->log_level);
    read_log(reader, json, *config);
    read_build(reader, json, *config);
    read_pools(reader, json, *config);
    read_dns(reader, json, *config);
    reader.text(json, "", "socket_group", &config->socket_group);
    read_listen(reader, json, config->listen);
    read_numbers(reader, json, *config);
    read_image_gc(reader, json, *config);
    read_registries(reader, json, config->registries);
    if (installed) check_drivers(reader, json, *config, *installed);
    return reader.problems();
}

std::vector<std::string> load(const std::string& path, Missing missing, Config* config, const Installed* installed) {
    *config = Config{};
    auto text = read_file(path, largest_file);
    if (text) return check(*text, path, config, installed);
    if (text.error().code == Code::not_found && missing == Missing::is_empty) return {};
    return {"configuration: " + text.error().text};
}

driver::Settings driver_settings(const Config& config, driver::Settings installed) {
    installed.path.insert(installed.path.end(), config.driver_path.begin(), config.driver_path.end());
    installed.drivers = config.drivers;
    return installed;
}

std::string engine_name(const Config& config, const std::string& root) {
    if (!config.name.empty()) return config.name;
    if (root == "/var/lib/gantry") return "gantry";
    // FNV-1a: the same root gives the same name for ever, whatever the library.
    std::uint32_t hash = 2166136261u;
    for (char c : root) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
    std::string bytes;
    for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>((hash >> shift) & 0xff);
    return "gantry-" + to_hex(bytes);
}

}  // namespace gantry::config
