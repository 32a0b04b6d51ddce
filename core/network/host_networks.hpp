// The prefixes that the host already has a route or an address for.
#pragma once
#include <string_view>
#include <vector>

#include <gantry/result.hpp>

#include "core/network/ipv4.hpp"

namespace gantry::network {

// Of every interface but `except` (a network's own bridge). The default route does not count.
Result<std::vector<Prefix>> host_networks(std::string_view except = {});

}  // namespace gantry::network
