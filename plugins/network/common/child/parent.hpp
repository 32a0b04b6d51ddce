// The interface of the host on which child links ride.
#pragma once
#include <string>

#include <gantry/network.hpp>

#include "plugins/network/common/netlink.hpp"

namespace gantry::child {

struct ParentSpec {
    std::string name, mark;  // mark: of one that is made here
    bool dummy = false;      // a link that leads nowhere
};

// The parent is there and can be one; a VLAN ("eth0.10") or dummy that is missing is made, marked and started. What
// cannot be a parent: GANTRY_INVALID; what the kernel has not: GANTRY_UNSUPPORTED.
Result<netlink::Link> ensure_parent(netlink::Socket& host, const ParentSpec& spec);
// Removes it if it was made here. Gone is success.
Result<void> remove_parent(netlink::Socket& host, const ParentSpec& spec);

}  // namespace gantry::child
