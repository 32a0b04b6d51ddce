// Where else than on its unix socket the engine is reached, and how it proves who it is.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include <gantry/json.hpp>
#include <gantry/result.hpp>

namespace gantry::config {

class Reader;

struct Host {
    std::string address;  // a number, not a name
    int port = 0;
    bool loopback = false;
    std::string url() const;
    bool operator==(const Host&) const = default;

    // "tcp://0.0.0.0:2376", "tcp://[::1]:2376". GANTRY_INVALID.
    static Result<Host> parse(std::string_view text);
};

struct Listen {
    std::vector<Host> hosts;
    std::string ca, certificate, key;  // of TLS; all three, or none
    bool plain_loopback = false;       // loopback addresses are served without TLS where there is none
    bool has_tls() const { return !ca.empty() || !certificate.empty() || !key.empty(); }
    bool operator==(const Listen&) const = default;
};

// "hosts", "tls" and "plain_loopback" of the configuration.
void read_listen(Reader& reader, const Json& json, Listen& listen);
// What is wrong with them together, "" for nothing: whoever reaches a host without TLS is root.
std::string wrong_listen(const Listen& listen);

}  // namespace gantry::config
