// What gantry.json says of registries: "registries", "proxies", "certificate_directories" and the limits of transfers.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <gantry/json.hpp>

namespace gantry::config {

class Reader;

// Of one registry, by "HOST" or "HOST:PORT".
struct RegistryHost {
    std::vector<std::string> mirrors;  // "http[s]://HOST[:PORT][/PATH]"
    std::optional<bool> insecure;      // unset: on loopback only
    bool http = false;
    std::string ca;                   // file or directory, absolute
    std::vector<std::string> realms;  // hosts
    bool operator==(const RegistryHost&) const = default;
};

struct ProxySettings {
    // Unset: HTTP_PROXY, HTTPS_PROXY and NO_PROXY of the daemon's environment, also in lower case.
    std::optional<std::string> http, https;
    std::optional<std::vector<std::string>> no;
    bool operator==(const ProxySettings&) const = default;
};

struct Registries {
    std::map<std::string, RegistryHost> hosts;
    ProxySettings proxies;
    std::vector<std::string> certificate_directories = {"/etc/gantry/certs.d", "/etc/docker/certs.d"};
    int downloads = 3, uploads = 5, attempts = 5;
    bool operator==(const Registries&) const = default;
};

void read_registries(Reader& reader, const Json& json, Registries& registries);

}  // namespace gantry::config
