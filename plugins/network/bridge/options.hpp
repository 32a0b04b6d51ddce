// What can be asked of a bridge network, and how it is named in the kernel.
#pragma once
#include <string>
#include <string_view>

#include <gantry/network.hpp>

#include "plugins/network/common/bridge/rules.hpp"

namespace gantry::bridge {

struct NetworkOptions {
    std::string interface;  // the bridge's name
    bool inter_container = true, masquerade = true;
    std::string host_binding;  // the host address of ports that name none
    GatewayMode gateway_mode = GatewayMode::nat, gateway_mode6 = GatewayMode::nat;
    int mtu = 0;  // 0: that of the host's own way out
};

// The schema of a network's options, for describe().
Json object_options();
// The options of one network of the engine `engine`: validated types, the interface named.
Result<NetworkOptions> read_options(const std::string& engine, const Network& network);
// The host's end of an endpoint's pair of interfaces.
std::string host_end(std::string_view endpoint_id);
// The mark on each of the engine's bridges (the link's alias), so that a restarted engine knows its own.
std::string mark(std::string_view engine, std::string_view network_id);

}  // namespace gantry::bridge
