// What a container's configuration asks of the network: the mode, endpoints and ports.
#pragma once
#include <string>
#include <vector>

#include "core/container/container.hpp"
#include "core/network/network_service.hpp"

namespace gantry::container {

struct NetworkWishes {
    std::string mode;
    std::vector<network::EndpointWish> endpoints;
    std::vector<network::Port> ports;
};
// GANTRY_INVALID for what contradicts itself.
Result<NetworkWishes> network_wishes(const Container& container);
// One EndpointSettings object of the API.
Result<network::EndpointWish> endpoint_wish(const std::string& network, const Json& settings);

}  // namespace gantry::container
