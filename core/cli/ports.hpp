// -p and --expose: [ip:][host[-last]:]container[-last][/protocol].
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include <gantry/json.hpp>
#include <gantry/result.hpp>

namespace gantry::cli {

struct PortMapping {
    std::string container;     // "80/tcp"
    std::string host_address;  // "" : every address
    std::string host_port;     // "" : an ephemeral one; "8000-8010": one of these
};

// One specification, its ranges expanded. GANTRY_INVALID in Docker's words.
Result<std::vector<PortMapping>> parse_publish(std::string_view specification);
// "80", "80-90/udp" -> {"80/tcp"}, ...
Result<std::vector<std::string>> parse_expose(std::string_view specification);
// Ports of a list (API "Ports" of a container), grouped: "0.0.0.0:8080->80/tcp, 443/tcp".
std::string show_ports(const Json& ports);
// Host part of a mapping as Docker shows it: "[::]:80", "0.0.0.0:80".
std::string join_host_port(const std::string& address, const std::string& port);

}  // namespace gantry::cli
