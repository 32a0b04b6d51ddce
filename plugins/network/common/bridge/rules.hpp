// The text of the engine's one nftables table. Rules are fixed; what changes are elements of its sets and maps.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include <gantry/network.hpp>

namespace gantry::bridge {

inline bool is_ipv6(std::string_view address) { return address.find(':') != std::string_view::npos; }

// How a network's subnet is reached from elsewhere.
enum class GatewayMode {
    nat = 1,          // by published ports alone; what leaves has the host's address
    nat_unprotected,  // the same, but its own addresses are open, too
    routed,           // by its own addresses, where a published port is open; nothing is translated
    isolated,         // not at all, and the host has no address in it: of internal networks
};

struct SubnetRules {
    std::string subnet;  // "172.18.0.0/20", "fd00:1::/64"
    GatewayMode mode = GatewayMode::nat;
};

// What the firewall knows of one network.
struct NetworkRules {
    std::string bridge;
    std::vector<SubnetRules> subnets;
    bool internal = false, inter_container = true, masquerade = true;
};

// "gantry" for the engine of that name, "gantry_NAME" for others.
std::string table_name(const std::string& engine);
// Makes or mends table, sets, maps, chains and rules, and leaves all elements as they are.
std::string skeleton(const std::string& table);
// `verb`: "add" or "delete": the elements of one network.
std::string network_elements(const std::string& table, const char* verb, const NetworkRules& network);
// `verb`: "add" or "delete": the element of one published port that leads to `address`, of the family of its own; with the
// host's port 0, the element that opens it at that address.
std::string port_element(const std::string& table, const char* verb, const PublishedPort& port,
                         const std::string& address);

// Ports on any address of the host are in another map than those on one address.
inline bool on_any_address(const PublishedPort& port) {
    return port.host_address == "0.0.0.0" || port.host_address == "::";
}

}  // namespace gantry::bridge
