#include "core/image/registry/names.hpp"

#include <algorithm>

#include "core/base/text.hpp"

namespace gantry::image::registry {
namespace {

bool is_host(std::string_view first) {
    return first == "localhost" || first.find_first_of(".:") != std::string_view::npos ||
           std::any_of(first.begin(), first.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}

bool is_default(std::string_view host) {
    return host == "docker.io" || host == "index.docker.io" || host == "registry-1.docker.io";
}

}  // namespace

const std::string& default_host() {
    static const std::string host = "docker.io";
    return host;
}

const std::string& default_search_endpoint() {
    static const std::string endpoint = "https://index.docker.io";
    return endpoint;
}

Location location_of(const std::string& name) {
    Location location{default_host(), name};
    if (const std::size_t slash = name.find('/'); slash != std::string::npos && is_host(name.substr(0, slash)))
        location = {name.substr(0, slash), name.substr(slash + 1)};
    if (is_default(location.host)) {
        location.host = default_host();
        if (location.repository.find('/') == std::string::npos) location.repository.insert(0, "library/");
    }
    return location;
}

std::string familiar_name(const Location& location) {
    if (location.host != default_host()) return location.host + "/" + location.repository;
    const bool official = location.repository.starts_with("library/");
    return official ? location.repository.substr(8) : location.repository;
}

std::string endpoint_of(const std::string& host) { return host == default_host() ? "registry-1.docker.io" : host; }

Result<std::string> host_of_server(std::string_view server) {
    std::string_view host = server;
    for (std::string_view scheme : {"https://", "http://"})
        if (host.starts_with(scheme)) host.remove_prefix(scheme.size());
    host = host.substr(0, host.find('/'));
    if (server.empty() || is_default(to_lower(host))) return default_host();
    const bool sound = !host.empty() && host.size() <= 255 && std::all_of(host.begin(), host.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
               c == ':' || c == '[' || c == ']';
    });
    if (!sound) return fail(Code::invalid, "the registry " + quote_json(server.substr(0, 200)) + " is no HOST[:PORT]");
    return std::string(host);
}

}  // namespace gantry::image::registry
