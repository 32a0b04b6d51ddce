#include "core/daemon/registries.hpp"

#include <cstdlib>

#include "core/base/text.hpp"

namespace gantry::daemon {
namespace {

std::string from_environment(const char* lower, const char* upper) {
    for (const char* name : {upper, lower})
        if (const char* value = ::getenv(name); value != nullptr && *value != '\0') return value;
    return {};
}

}  // namespace

image::registry::Settings registry_settings(const config::Registries& config) {
    image::registry::Settings settings;
    for (const auto& [name, host] : config.hosts)
        settings.hosts[name] = {host.mirrors, host.insecure, host.http, host.ca, host.realms};
    settings.certificate_directories = config.certificate_directories;
    settings.downloads = config.downloads;
    settings.uploads = config.uploads;
    settings.attempts = config.attempts;
    settings.proxies.http = config.proxies.http ? *config.proxies.http : from_environment("http_proxy", "HTTP_PROXY");
    settings.proxies.https =
        config.proxies.https ? *config.proxies.https : from_environment("https_proxy", "HTTPS_PROXY");
    if (config.proxies.no) {
        settings.proxies.no = *config.proxies.no;
    } else {
        const std::string all = from_environment("no_proxy", "NO_PROXY");
        for (std::string_view one : split(all, ','))
            if (!trim(one).empty()) settings.proxies.no.emplace_back(trim(one));
    }
    return settings;
}

}  // namespace gantry::daemon
