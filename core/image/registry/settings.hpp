// What the client of registries is told once for each operation: plain values out of gantry.json and the environment.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace gantry::image::registry {

// Of one registry, by "HOST" or "HOST:PORT" as it stands in references.
struct HostSettings {
    std::vector<std::string> mirrors;  // "http[s]://HOST[:PORT]", asked first, in this order, without credentials
    // True: any certificate is taken, and plain HTTP where HTTPS fails. False: never, on loopback neither. Unset: on
    // loopback only.
    std::optional<bool> insecure;
    bool http = false;                // plain HTTP at once
    std::string ca;                   // PEM file, or a directory of *.crt, trusted besides the system's
    std::vector<std::string> realms;  // hosts of token servers that get this registry's credentials all the same
};

struct Proxies {
    std::string http, https;      // URL, "" for none
    std::vector<std::string> no;  // hosts, ".domains", addresses, networks, "*"
};

struct Settings {
    std::map<std::string, HostSettings> hosts;
    // Each with directories named as registries are: *.crt to trust, *.cert and *.key to show.
    std::vector<std::string> certificate_directories = {"/etc/gantry/certs.d", "/etc/docker/certs.d"};
    Proxies proxies;
    int downloads = 3;  // side by side, of all pulls
    int uploads = 5;    // side by side, of one push
    int attempts = 5;   // of one request or download that makes no progress
    std::string user_agent = "gantry";
};

}  // namespace gantry::image::registry
