#include "core/build/dockerfile/image_config.hpp"

#include <csignal>
#include <cstring>

#include "core/base/text.hpp"

namespace gantry::build::dockerfile {
namespace {

enum class Shape { text = 1, texts, map_of_texts, map_of_objects, object, any };

bool fits(const Json& json, Shape shape) {
    auto every = [&](auto good) { return std::all_of(json.begin(), json.end(), good); };
    auto is_clean_text = [](const Json& item) {
        return item.is_string() && is_text(item.get_ref<const std::string&>());
    };
    if (json.is_null()) return true;
    switch (shape) {
    case Shape::text: return is_clean_text(json);
    case Shape::texts: return json.is_array() && every(is_clean_text);
    case Shape::map_of_texts: return json.is_object() && every(is_clean_text);
    case Shape::map_of_objects:
        return json.is_object() && every([](const Json& item) { return item.is_object() || item.is_null(); });
    case Shape::object: return json.is_object();
    case Shape::any: return true;
    }
    return false;
}

const std::vector<std::pair<const char*, Shape>>& config_fields() {
    static const std::vector<std::pair<const char*, Shape>> fields = {{"Env", Shape::texts},
                                                                      {"Cmd", Shape::texts},
                                                                      {"Entrypoint", Shape::texts},
                                                                      {"Shell", Shape::texts},
                                                                      {"OnBuild", Shape::texts},
                                                                      {"Labels", Shape::map_of_texts},
                                                                      {"User", Shape::text},
                                                                      {"WorkingDir", Shape::text},
                                                                      {"StopSignal", Shape::text},
                                                                      {"Volumes", Shape::map_of_objects},
                                                                      {"ExposedPorts", Shape::map_of_objects},
                                                                      {"Healthcheck", Shape::object}};
    return fields;
}

std::vector<std::string> texts_of(const Json& document, const char* field) {
    auto config = document.find("config");
    if (config == document.end()) return {};
    auto list = config->find(field);
    return list == config->end() || !list->is_array() ? std::vector<std::string>()
                                                      : list->get<std::vector<std::string>>();
}

}  // namespace

ImageConfig::ImageConfig(const Platform& platform) {
    document_ = {{"config", Json::object()}, {"history", Json::array()}};
    set_platform(platform);
}

Result<ImageConfig> ImageConfig::of_base(const Json& document) {
    ImageConfig image;
    image.document_ = document;
    GANTRY_CHECK(image.check());
    Json& json = image.document_;
    for (const char* gone : {"created", "rootfs"}) json.erase(gone);
    if (!json.contains("config") || json["config"].is_null()) json["config"] = Json::object();
    if (!json.contains("history") || json["history"].is_null()) json["history"] = Json::array();
    // A field that is null is one that is not there.
    for (const auto& [field, shape] : config_fields())
        if (auto at = json["config"].find(field); at != json["config"].end() && at->is_null()) json["config"].erase(at);
    image.env_ = texts_of(json, "Env");
    json["config"].erase("Env");
    for (std::size_t i = 0; i < image.env_.size(); ++i)
        image.env_places_.try_emplace(image.env_[i].substr(0, image.env_[i].find('=')), i);
    return image;
}

Result<void> ImageConfig::check() const {
    auto wrong = [](const std::string& field) {
        return fail(Code::invalid, "the image's configuration is damaged: " + field +
                                       " is not of the kind that the specification says");
    };
    if (!document_.is_object()) return wrong("the whole");
    for (const char* field : {"architecture", "os", "variant", "author"})
        if (auto at = document_.find(field); at != document_.end() && !fits(*at, Shape::text)) return wrong(field);
    if (auto history = document_.find("history"); history != document_.end() && !history->is_null()) {
        if (!history->is_array()) return wrong("history");
        for (const Json& entry : *history)
            if (!entry.is_object() || (entry.contains("empty_layer") && !entry["empty_layer"].is_boolean()))
                return wrong("history");
    }
    auto config = document_.find("config");
    if (config == document_.end() || config->is_null()) return {};
    if (!config->is_object()) return wrong("config");
    for (const auto& [field, shape] : config_fields())
        if (auto at = config->find(field); at != config->end() && !fits(*at, shape)) return wrong(field);
    return {};
}

Platform ImageConfig::platform() const {
    auto text = [&](const char* field) {
        auto at = document_.find(field);
        return at == document_.end() || !at->is_string() ? std::string() : at->get<std::string>();
    };
    return Platform{text("os"), text("architecture"), text("variant")};
}

Json ImageConfig::document() const {
    Json document = document_;
    if (!env_.empty()) document["config"]["Env"] = env_;
    return document;
}

std::vector<std::pair<std::string, std::string>> ImageConfig::environment() const {
    std::vector<std::pair<std::string, std::string>> pairs;
    for (const std::string& entry : env_) {
        std::size_t equals = entry.find('=');
        pairs.emplace_back(entry.substr(0, equals), equals == std::string::npos ? "" : entry.substr(equals + 1));
    }
    return pairs;
}

std::string ImageConfig::text(const char* field) const {
    const Json& config = document_.at("config");
    auto at = config.find(field);
    return at == config.end() || !at->is_string() ? "" : at->get<std::string>();
}

bool ImageConfig::has_shell() const { return !texts_of(document_, "Shell").empty(); }

std::vector<std::string> ImageConfig::shell() const {
    auto words = texts_of(document_, "Shell");
    return words.empty() ? std::vector<std::string>{"/bin/sh", "-c"} : words;
}

std::vector<std::string> ImageConfig::triggers() const { return texts_of(document_, "OnBuild"); }

void ImageConfig::set_platform(const Platform& platform) {
    document_["os"] = platform.os;
    document_["architecture"] = platform.architecture;
    document_.erase("variant");
    if (!platform.variant.empty()) document_["variant"] = platform.variant;
}

void ImageConfig::set_environment(const std::string& name, const std::string& value) {
    auto [place, added] = env_places_.try_emplace(name, env_.size());
    if (added) env_.emplace_back();
    env_[place->second] = name + "=" + value;
}

void ImageConfig::set_label(const std::string& name, const std::string& value) { config()["Labels"][name] = value; }

void ImageConfig::set_healthcheck(const Healthcheck& check) {
    Json json = {{"Test", check.test}};
    const std::pair<const char*, std::int64_t> numbers[] = {{"Interval", check.interval},
                                                            {"Timeout", check.timeout},
                                                            {"StartPeriod", check.start_period},
                                                            {"StartInterval", check.start_interval},
                                                            {"Retries", check.retries}};
    for (const auto& [name, number] : numbers)
        if (number) json[name] = number;
    config()["Healthcheck"] = std::move(json);
}

void ImageConfig::add_history(const std::string& created_by, bool empty_layer) {
    Json entry = {{"created_by", created_by}, {"comment", "gantry.dockerfile.v1"}};
    if (empty_layer) entry["empty_layer"] = true;
    document_["history"].push_back(std::move(entry));
}

bool is_signal(std::string_view text) {
    if (auto number = parse_int(text)) return *number >= 1 && *number <= 64;
    std::string name = to_lower(text);
    if (name.starts_with("sig")) name.erase(0, 3);
    for (int number = 1; number < 32; ++number)
        if (const char* known = ::sigabbrev_np(number); known && to_lower(known) == name) return true;
    if (!name.starts_with("rtmin") && !name.starts_with("rtmax")) return false;
    std::string_view offset = std::string_view(name).substr(5);
    if (offset.empty()) return true;
    auto value = parse_int(offset.starts_with("+") ? offset.substr(1) : offset);
    return value && (name.starts_with("rtmin") ? *value >= 0 && *value <= 30 : *value <= 0 && *value >= -30);
}

Result<ExposedPorts> parse_exposed(std::string_view word) {
    ExposedPorts ports;
    Error wrong =
        fail(Code::invalid,
             "EXPOSE: found " + quote_json(word.substr(0, 100)) +
                 ", allowed is a port or a range from 1 to 65535 with /tcp, /udp or /sctp: 80, 8000-8010/udp");
    std::size_t slash = word.find('/');
    std::string written(slash == std::string_view::npos ? "tcp" : word.substr(slash + 1)), protocol = to_lower(written);
    if (protocol != "tcp" && protocol != "udp" && protocol != "sctp") return wrong;
    ports.odd_case = written != protocol;
    std::string_view range = word.substr(0, slash);
    if (std::size_t colon = range.rfind(':'); colon != std::string_view::npos) {
        ports.mapping = true;
        range.remove_prefix(colon + 1);
    }
    std::size_t dash = range.find('-');
    auto digits = [](std::string_view text) {
        return !text.empty() && text.size() <= 5 && text.find_first_not_of("0123456789") == std::string_view::npos;
    };
    std::string_view low_text = range.substr(0, dash),
                     high_text = dash == std::string_view::npos ? low_text : range.substr(dash + 1);
    if (!digits(low_text) || !digits(high_text)) return wrong;
    std::int64_t low = parse_int(low_text).value_or(0), high = parse_int(high_text).value_or(0);
    if (low < 1 || high > 65535 || high < low) return wrong;
    for (; low <= high; ++low) ports.keys.push_back(std::to_string(low) + "/" + protocol);
    return ports;
}

}  // namespace gantry::build::dockerfile
