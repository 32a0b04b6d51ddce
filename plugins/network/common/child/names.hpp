// How what the driver makes is named and marked in the kernel, which is the only record of it.
#pragma once
#include <cstdint>
#include <string>

#include <gantry/network.hpp>

namespace gantry::child {

// Marks are links' aliases; the engine's name is in each, so that engines beside each other know their own.
struct Names {
    std::string engine, kind;

    std::string all() const { return "gantry:" + engine + ":" + kind + ":"; }  // every mark begins so
    std::string of_network(const Network& network) const { return all() + network.id + ":"; }
    std::string of_endpoint(const Network& network, const Endpoint& endpoint) const {
        return of_network(network) + endpoint.id;
    }
    std::string of_host(const Network& network) const { return of_network(network) + "host"; }
    std::string of_parent() const { return all() + "parent"; }
    // The group of a link that is being made and has no mark yet.
    std::uint32_t group() const {
        std::uint32_t hash = 2166136261u;
        for (char c : all()) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
        return hash | 1u;
    }
};

// The host's own interface in a network, and the parent of a network that has none.
inline std::string host_link_of(const Network& network) { return "gm-" + network.id.substr(0, 12); }
inline std::string dummy_of(const Network& network) { return "gd-" + network.id.substr(0, 12); }

// A container's interface until it has its mark.
inline std::string first_name_of(const Endpoint& endpoint) { return "gc-" + endpoint.id.substr(0, 12); }

}  // namespace gantry::child
