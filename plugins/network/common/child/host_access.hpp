// The host's own interface in a macvlan network: without it, host and containers do not hear each other.
#pragma once
#include <string>
#include <vector>

#include <gantry/network.hpp>

#include "plugins/network/common/netlink.hpp"

namespace gantry::child {

struct HostLinkSpec {
    std::string name, mark, parent;
    std::string address;  // without prefix
    std::uint32_t mode = 0;
    int mtu = 0;
};

// Makes the interface on the parent, or mends it, with its one address and no route but those to containers.
Result<void> ensure_host_link(netlink::Socket& host, const HostLinkSpec& spec);
// Gone is success.
Result<void> remove_host_link(netlink::Socket& host, const HostLinkSpec& spec);
// The host reaches a container at `addresses` (with prefix), the IPv4 ones, by the interface, or no more.
Result<void> add_host_routes(netlink::Socket& host, const std::string& name, const std::vector<std::string>& addresses);
Result<void> remove_host_routes(netlink::Socket& host, const std::string& name,
                                const std::vector<std::string>& addresses);
// Of the routes by the interface, those to other addresses than these are removed.
Result<void> keep_host_routes(netlink::Socket& host, const std::string& name,
                              const std::vector<std::string>& addresses);

}  // namespace gantry::child
