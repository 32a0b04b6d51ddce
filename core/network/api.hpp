// Networks and endpoints as the Engine API shows them.
#pragma once
#include <vector>

#include "core/network/ipam.hpp"
#include "core/network/model.hpp"

namespace gantry::network {

// The Network object, without Containers.
Json network_to_api(const NetworkRecord& network);
// EndpointResource: an entry of a network's Containers.
Json endpoint_resource(const EndpointRecord& endpoint);
// EndpointSettings: an entry of a container's NetworkSettings.Networks.
Json endpoint_settings(const NetworkRecord& network, const EndpointRecord& endpoint);
// NetworkStatus.
Json network_status(const NetworkRecord& network, const Ipam& ipam, const Ipam6& ipam6);

}  // namespace gantry::network
