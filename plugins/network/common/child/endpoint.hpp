// A container's link: made in its namespace, found again from outside, taken away.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include <gantry/network.hpp>

#include "plugins/network/common/child/options.hpp"
#include "plugins/network/common/netlink.hpp"

namespace gantry::child {

struct LinkSpec {
    std::string kind, network;   // network: its name, for errors
    std::string mark, siblings;  // siblings: how the marks of the network's links begin
    std::uint32_t group = 0;     // while it has no mark
    std::string parent, interface, mac;
    std::string first_name;              // of the link until it is `interface`; nobody else has it
    std::vector<std::string> addresses;  // with prefix
    std::vector<std::string> gateways;   // by which everything else is reached
    bool default_link = false;           // everything else is behind the link itself
    Options options;
    int netns = -1;    // borrowed
    int netlink = -1;  // borrowed, a socket inside netns; -1: netns is entered for one
};

// Gives the namespace the link, addressed, up and routed; the same again gives the same. Undone on failure. The kernel
// takes away what an ended container had a moment after its end: that is waited for. Parent gone: GANTRY_NOT_FOUND.
Result<netlink::Link> attach_link(const Host& driver_host, netlink::Socket& host, const LinkSpec& spec);

// A link in another namespace.
struct Found {
    int namespace_id = 0;
    netlink::Link link;
};
// Every link of `kind` in namespaces that have an id here whose mark begins with `mark`. With `group`: those too that
// have that group and no mark.
Result<std::vector<Found>> find_links(netlink::Socket& host, const std::string& kind, const std::string& mark,
                                      std::optional<std::uint32_t> group = std::nullopt);

}  // namespace gantry::child
