// Addresses of one network, and subnets for new networks. In memory; the service records what is taken in the store.
#pragma once
#include <set>
#include <span>
#include <utility>
#include <vector>

#include <gantry/result.hpp>

#include "core/network/ipv4.hpp"

namespace gantry::network {

// Hands out addresses next-fit: one that was given back comes again as late as possible, so that neighbours' ARP
// entries and connections of its last owner are long forgotten. Not thread-safe.
class Ipam {
public:
    Ipam() = default;
    // Dynamic addresses come from `range`; network and broadcast address of the subnet are never given.
    Ipam(Prefix subnet, Prefix range) : subnet_(subnet), range_(range), next_(range.base) {}

    // Never given dynamically: the gateway, auxiliary addresses.
    void reserve(Ipv4 address) { taken_.insert(address); }
    // GANTRY_EXHAUSTED: "no available IPv4 addresses on this network's address pools: NAME (ID)" is the caller's text.
    Result<Ipv4> take();
    // GANTRY_DENIED: taken already ("Address already in use"), or outside the subnet.
    Result<void> take(Ipv4 address);
    void give_back(Ipv4 address) { taken_.erase(address); }
    // After loading: goes on behind this address.
    void continue_after(Ipv4 address) { next_ = address + 1; }
    std::size_t taken() const { return taken_.size(); }
    std::size_t available() const;

private:
    bool usable(Ipv4 address) const;
    Prefix subnet_, range_;
    Ipv4 next_ = 0;
    std::set<Ipv4> taken_;
};

// The first subnet of the pools (base address and prefix length each) that meets none of `occupied`.
// GANTRY_EXHAUSTED: "all predefined address pools have been fully subnetted".
Result<Prefix> carve(const std::vector<std::pair<std::string, int>>& pools, std::span<const Prefix> occupied);

}  // namespace gantry::network
