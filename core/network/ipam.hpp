// Addresses of one network, and subnets for new networks. In memory; the service records what is taken in the store.
#pragma once
#include <cstddef>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include <gantry/result.hpp>

#include "core/network/addresses.hpp"

namespace gantry::network {

// Hands out addresses next-fit: one that was given back comes again as late as possible, so that neighbours' ARP
// entries and connections of its last owner are long forgotten. Not thread-safe.
template <typename Address>
class IpamOf {
public:
    IpamOf() = default;
    // Dynamic addresses come from `range`; the subnet's first address is never given, nor a broadcast address.
    IpamOf(PrefixOf<Address> subnet, PrefixOf<Address> range) : subnet_(subnet), range_(range), next_(range.base) {}

    // Never given dynamically: the gateway, auxiliary addresses.
    void reserve(Address address) { taken_.insert(address); }
    // GANTRY_EXHAUSTED: "no available IPv4 addresses on this network's address pools: NAME (ID)" is the caller's text.
    Result<Address> take();
    // GANTRY_DENIED: taken already ("Address already in use"), or outside the subnet.
    Result<void> take(Address address);
    void give_back(Address address) { taken_.erase(address); }
    // After loading: goes on behind this address.
    void continue_after(Address address) { next_ = address + 1; }
    std::size_t taken() const { return taken_.size(); }
    // The largest number of its type where there are more.
    std::size_t available() const;
    // Addresses of the subnet that nobody is ever given.
    std::size_t never_given() const;

private:
    bool usable(Address address) const;
    PrefixOf<Address> subnet_, range_;
    Address next_ = 0;
    std::set<Address> taken_;
};

using Ipam = IpamOf<Ipv4>;
using Ipam6 = IpamOf<Ipv6>;
extern template class IpamOf<Ipv4>;
extern template class IpamOf<Ipv6>;

// Base ("172.16.0.0/12") and prefix length of each network taken from it; of either family.
using Pools = std::vector<std::pair<std::string, int>>;

// The first subnet of the pools of the family that meets none of `occupied`.
// GANTRY_EXHAUSTED: "all predefined address pools have been fully subnetted".
template <typename Address>
Result<PrefixOf<Address>> carve(const Pools& pools, std::span<const PrefixOf<Address>> occupied);
extern template Result<Prefix> carve<Ipv4>(const Pools& pools, std::span<const Prefix> occupied);
extern template Result<Prefix6> carve<Ipv6>(const Pools& pools, std::span<const Prefix6> occupied);

}  // namespace gantry::network
