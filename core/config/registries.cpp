#include "core/config/registries.hpp"

#include <algorithm>

#include "core/base/text.hpp"
#include "core/config/reader.hpp"

namespace gantry::config {
namespace {

using Names = std::vector<std::string>;

bool is_host_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
           c == ':' || c == '[' || c == ']';
}

bool is_host(std::string_view text) {
    if (text.empty() || text.size() > 255 || text.front() == '.' || text.front() == '-') return false;
    if (!std::all_of(text.begin(), text.end(), is_host_character)) return false;
    const std::size_t colon = text.rfind(':');
    if (colon == text.npos || text.ends_with(']')) return true;
    auto port = parse_int(text.substr(colon + 1));
    return port && *port >= 1 && *port <= 65535;
}

// "http[s]://HOST[:PORT][/PATH]", without a user name.
bool is_url(std::string_view text, bool path) {
    for (std::string_view scheme : {"https://", "http://"}) {
        if (!text.starts_with(scheme)) continue;
        text.remove_prefix(scheme.size());
        const std::size_t slash = text.find('/');
        const bool bare = slash == text.npos || slash + 1 == text.size();
        const auto printable = [](char c) { return c > 0x20 && c < 0x7f && c != '?' && c != '#' && c != '\\'; };
        return is_host(text.substr(0, slash)) && (path || bare) && std::all_of(text.begin(), text.end(), printable);
    }
    return false;
}

std::string wrong_path(const std::string& path) {
    return path.starts_with('/') && path.find('\0') == std::string::npos ? "" : "must be an absolute path";
}

void read_host(Reader& reader, const std::string& name, const Json& json, Registries& registries) {
    static const Names keys = {"mirrors", "insecure", "http", "ca", "realms"};
    const std::string pointer = "/registries/" + name;
    if (!is_host(name))
        return reader.problem(pointer, "found \"" + name + "\", must be HOST or HOST:PORT, as references name it");
    if (!reader.object(json, pointer, keys)) return;
    RegistryHost host;
    reader.texts(json, pointer, "mirrors", &host.mirrors, [](const std::string& mirror) {
        return is_url(mirror, true) ? "" : "must be a URL such as \"https://mirror.example:5000\"";
    });
    if (json.contains("insecure")) {
        bool insecure = false;
        reader.flag(json, pointer, "insecure", &insecure);
        if (json["insecure"].is_boolean()) host.insecure = insecure;
    }
    reader.flag(json, pointer, "http", &host.http);
    if (host.http && host.insecure && !*host.insecure)
        reader.problem(pointer + "/http", "found true, must not be together with \"insecure\": false");
    reader.text(json, pointer, "ca", &host.ca);
    if (std::string wrong = host.ca.empty() ? "" : wrong_path(host.ca); !wrong.empty())
        reader.problem(pointer + "/ca", "found \"" + host.ca + "\", " + wrong);
    reader.texts(json, pointer, "realms", &host.realms, [](const std::string& realm) {
        return is_host(realm) && realm.find(':') == std::string::npos ? "" : "must be the host of a token server";
    });
    registries.hosts[name] = std::move(host);
}

void read_proxies(Reader& reader, const Json& json, ProxySettings& proxies) {
    static const Names keys = {"http", "https", "no"};
    auto found = json.find("proxies");
    if (found == json.end() || !reader.object(*found, "/proxies", keys)) return;
    for (auto [key, to] : {std::pair{"http", &proxies.http}, {"https", &proxies.https}}) {
        if (!found->contains(key)) continue;
        std::string url;
        reader.text(*found, "/proxies", key, &url);
        if (!url.empty() && !is_url(url.find('@') == std::string::npos
                                        ? url
                                        : url.substr(0, url.find("//") + 2) + url.substr(url.rfind('@') + 1),
                                    false))
            reader.problem(std::string("/proxies/") + key,
                           "found a text that is not a URL such as \"http://proxy.example:3128\"");
        *to = url;
    }
    if (!found->contains("no")) return;
    proxies.no.emplace();
    reader.texts(*found, "/proxies", "no", &*proxies.no, [](const std::string& rule) {
        return rule.empty() ? "must be a host, \".DOMAIN\", an address, a network or \"*\"" : "";
    });
}

}  // namespace

void read_registries(Reader& reader, const Json& json, Registries& registries) {
    if (auto hosts = json.find("registries"); hosts != json.end() && reader.object(*hosts, "/registries", {}))
        for (const auto& [name, value] : hosts->items()) read_host(reader, name, value, registries);
    read_proxies(reader, json, registries.proxies);
    reader.texts(json, "", "certificate_directories", &registries.certificate_directories, wrong_path);
    for (auto [key, to, most] : {std::tuple{"max_concurrent_downloads", &registries.downloads, 64},
                                 {"max_concurrent_uploads", &registries.uploads, 64},
                                 {"max_download_attempts", &registries.attempts, 100}}) {
        std::int64_t number = *to;
        reader.number(json, "", key, 1, most, &number);
        *to = static_cast<int>(number);
    }
}

}  // namespace gantry::config
