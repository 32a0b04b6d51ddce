#include "core/cli/registry_host.hpp"

#include <algorithm>

namespace gantry::cli {
namespace {

// What Docker has written into config.json since before registries had names.
constexpr std::string_view default_key = "https://index.docker.io/v1/";
constexpr std::string_view default_hosts[] = {"docker.io", "index.docker.io", "registry-1.docker.io"};

bool is_default(std::string_view host) {
    return std::find(std::begin(default_hosts), std::end(default_hosts), host) != std::end(default_hosts);
}

// A first part that can only be a host; "" where it is a part of the repository's name.
std::string_view host_part(std::string_view reference) {
    std::size_t slash = reference.find('/');
    if (slash == std::string_view::npos) return {};
    std::string_view first = reference.substr(0, slash);
    const bool host = first.find_first_of(".:") != std::string_view::npos || first == "localhost" ||
                      first.find_first_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ") != std::string_view::npos;
    return host ? first : std::string_view();
}

}  // namespace

std::string registry_host(std::string_view key) {
    for (std::string_view scheme : {"https://", "http://"})
        if (key.starts_with(scheme)) key.remove_prefix(scheme.size());
    return std::string(key.substr(0, key.find('/')));
}

std::string registry_of_server(std::string_view server) {
    std::string host = registry_host(server);
    return host.empty() || is_default(host) ? std::string(default_key) : host;
}

std::string registry_of_image(std::string_view reference) { return registry_of_server(host_part(reference)); }

std::string complete_name(std::string_view reference) {
    std::string_view host = host_part(reference);
    if (!host.empty() && !is_default(host)) return std::string(reference);
    if (!host.empty()) reference.remove_prefix(host.size() + 1);
    const bool plain = reference.find('/') == std::string_view::npos;
    return std::string(default_hosts[0]) + (plain ? "/library/" : "/") + std::string(reference);
}

std::string registry_title(std::string_view key) {
    return key == default_key ? std::string(default_hosts[0]) : std::string(key);
}

}  // namespace gantry::cli
