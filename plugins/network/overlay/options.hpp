// What can be asked of an overlay network, and how its parts are named in the kernel.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include <gantry/network.hpp>

namespace gantry::overlay {

// Where documents are unless somebody says otherwise.
constexpr const char* usual_documents = "/etc/gantry/overlay.d";

// From the engine's configuration, for all networks.
struct DriverOptions {
    std::string etcd, documents, address;
    std::string ca, certificate, key;  // of the connection to etcd

    static DriverOptions read(const Json& options);
};

struct NetworkOptions {
    std::vector<std::string> etcd;  // base addresses; empty: documents
    std::string documents, address;
    std::string ca, certificate, key;
    std::uint32_t vni = 0;  // 0: chosen by whoever makes the network
    std::uint16_t port = 4789;
    int mtu = 0;  // 0: what the network below carries, less the wrapping
    bool encrypted = false;
    std::uint16_t wireguard_port = 0;  // of an encrypted network; 0: a free one
};

Json driver_options();
Json object_options();
// GANTRY_INVALID: which option, what it has and what it may have.
Result<NetworkOptions> read_options(const DriverOptions& driver, const Network& network);

// Names of links, from the engine's random ids: engines beside each other never clash.
std::string bridge_name(std::string_view network_id);
std::string vxlan_name(std::string_view network_id);
std::string tunnel_name(std::string_view network_id);
std::string host_end(std::string_view endpoint_id);
// The mark on each bridge, VXLAN and WireGuard device (the link's alias), so that a restarted engine knows its own.
std::string mark(std::string_view engine, std::string_view network_id);

}  // namespace gantry::overlay
