// The prefixes that the host already has a route or an address for.
#pragma once
#include <string_view>
#include <vector>

#include <gantry/result.hpp>

#include "core/network/addresses.hpp"

namespace gantry::network {

// Of every interface but `except` (a network's own bridge). The default route, link-local and multicast addresses do not count.
template <typename Address>
Result<std::vector<PrefixOf<Address>>> host_networks(std::string_view except = {});
template <>
Result<std::vector<Prefix>> host_networks<Ipv4>(std::string_view except);
template <>
Result<std::vector<Prefix6>> host_networks<Ipv6>(std::string_view except);

}  // namespace gantry::network
