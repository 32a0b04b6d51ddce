// Flows of datagrams that the kernel remembers (conntrack).
#pragma once
#include <vector>

#include <gantry/network.hpp>

namespace gantry::bridge {

// UDP flows to one of these ports of the host are forgotten, so that their next packet meets the rules as they are now: a
// flow is led where its first packet went for as long as somebody sends, whatever has been published or taken back since.
// Ports of other protocols are passed over: their connections have a beginning. In the network namespace of the caller.
Result<void> forget_flows(const std::vector<PublishedPort>& ports);

}  // namespace gantry::bridge
