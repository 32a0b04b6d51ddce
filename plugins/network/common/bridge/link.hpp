// Bridges and pairs of interfaces in the kernel.
#pragma once
#include <string>
#include <vector>

#include <gantry/network.hpp>

#include "plugins/network/common/bridge/put_away.hpp"
#include "plugins/network/common/netlink.hpp"

namespace gantry::bridge {

struct BridgeSpec {
    std::string name, mark;
    std::vector<std::string> gateways;  // with prefix: "172.18.0.1/20", "fd00:1::1/64"; empty: the host is not in it
    std::string station;                // the address that its MAC is made of
    int mtu = 1500;
    bool internal = false;  // nothing of it leaves: no way to the host's loopback either
};

// Makes the bridge, or mends it: addresses, IPv6 only where one of them is of it, up. A link of the name that is not ours: GANTRY_CONFLICT. Gives
// its index. `put_away`: where a bridge may be had that was another network's.
Result<int> ensure_bridge(netlink::Socket& host, const BridgeSpec& spec, PutAway* put_away = nullptr);
// Gone is success. GANTRY_BUSY while ports are attached; those whose sandbox is just ending are waited for a moment.
// `put_away`: who removes it later.
Result<void> remove_bridge(netlink::Socket& host, const BridgeSpec& spec, PutAway* put_away = nullptr);

struct VethSpec {
    std::string host_end, interface, mac;
    std::vector<std::string> addresses;  // with prefix
    std::vector<std::string> gateways;   // of the default routes; empty for none
    std::string bridge;
    int mtu = 1500;
    netlink::PortRule rule = netlink::PortRule::talks_to_others;
    int netns = -1;    // borrowed
    int netlink = -1;  // borrowed, a socket inside netns; -1: netns is entered for one
};

// Gives the namespace an interface, addressed, up and routed; the same again gives the same. Undone on failure.
Result<void> attach_veth(const Host& driver_host, netlink::Socket& host, const VethSpec& spec);
// Removes the pair by its host end; gone is success. Takes the kernel 15 to 20 ms where it is still there.
Result<void> detach_veth(netlink::Socket& host, const std::string& host_end);

}  // namespace gantry::bridge
