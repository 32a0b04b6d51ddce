// The host's own way out.
#pragma once
#include <gantry/result.hpp>

namespace gantry::bridge {

// The largest packet of the interface that the default route leads to, IPv4's before IPv6's; 1500 where there is none.
// Between 1280, the least that IPv6 works with, and 65535. Of the network namespace of the calling thread.
Result<int> uplink_mtu();

}  // namespace gantry::bridge
