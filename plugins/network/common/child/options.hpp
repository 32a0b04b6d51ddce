// What networks of child links (macvlan, ipvlan) have in common, and what tells the kinds apart.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include <gantry/network.hpp>

namespace gantry::child {

inline constexpr const char* option_parent = "parent";
inline constexpr const char* option_mtu = "com.docker.network.driver.mtu";
// The auxiliary address that the host has in a network with host access.
inline constexpr const char* host_address_name = "host";

// The options of one network.
struct Options {
    std::string parent;                      // "": a link that leads nowhere is made
    std::uint32_t mode = 0;                  // as the kernel numbers them
    std::optional<std::uint16_t> flags;      // ipvlan's
    std::string mode_text;                   // "private", "l2 with flag vepa"
    bool alone = false;                      // the parent carries one container only, of this network
    bool one_mode = false;                   // all networks on a parent have the same mode
    bool routed = false;                     // no Ethernet inside: packets are routed by the link, without a gateway
    std::optional<std::string> host_access;  // the host's own address in the network
    int mtu = 0;                             // 0: the parent's
};

// Of an address, with or without its prefix length.
inline bool is_ipv6(const std::string& address) { return address.find(':') != std::string::npos; }

struct Kind {
    const char* name;  // of driver and links: "macvlan"
    Result<Options> (*read)(const Network& network);
};

// "parent" and the MTU, for describe(); to be completed.
Json common_options();
// The options of common_options(). A name that no interface can have: GANTRY_INVALID.
Result<Options> read_common(const Network& network);

}  // namespace gantry::child
