#include "core/network/api.hpp"

#include "core/base/clock.hpp"

namespace gantry::network {
namespace {

std::string with_prefix(const EndpointRecord& endpoint) {
    return endpoint.address ? show(endpoint.address) + "/" + std::to_string(endpoint.prefix_length) : "";
}

}  // namespace

Json network_to_api(const NetworkRecord& network) {
    Json config = Json::array();
    if (network.subnet) {
        Json one{{"Subnet", network.subnet->text()}, {"Gateway", show(network.gateway)}};
        if (network.range && *network.range != *network.subnet) one["IPRange"] = network.range->text();
        if (!network.auxiliary.empty()) one["AuxiliaryAddresses"] = network.auxiliary;
        config.push_back(one);
    }
    return {{"Name", network.name},
            {"Id", network.id},
            {"Created", rfc3339(network.created_ns)},
            {"Scope", "local"},
            {"Driver", network.driver},
            {"EnableIPv4", true},
            {"EnableIPv6", false},
            {"IPAM", {{"Driver", "default"}, {"Options", nullptr}, {"Config", config}}},
            {"Internal", network.internal},
            {"Attachable", network.attachable},
            {"Ingress", false},
            {"ConfigFrom", {{"Network", ""}}},
            {"ConfigOnly", false},
            {"Options", network.given_options},
            {"Labels", network.labels}};
}

Json endpoint_resource(const EndpointRecord& endpoint) {
    return {{"Name", endpoint.container_name},
            {"EndpointID", endpoint.id},
            {"MacAddress", endpoint.mac},
            {"IPv4Address", with_prefix(endpoint)},
            {"IPv6Address", ""}};
}

Json endpoint_settings(const NetworkRecord& network, const EndpointRecord& endpoint) {
    Json ipam = nullptr;
    if (!endpoint.fixed_ipv4.empty()) ipam = {{"IPv4Address", endpoint.fixed_ipv4}};
    const bool addressed = endpoint.address != 0;
    return {{"IPAMConfig", ipam},
            {"Links", endpoint.links.empty() ? Json(nullptr) : Json(endpoint.links)},
            {"Aliases", endpoint.aliases.empty() ? Json(nullptr) : Json(endpoint.aliases)},
            {"MacAddress", endpoint.mac},
            {"DriverOpts", endpoint.driver_options.empty() ? Json(nullptr) : Json(endpoint.driver_options)},
            {"GwPriority", endpoint.gateway_priority},
            {"NetworkID", network.id},
            {"EndpointID", endpoint.id},
            {"Gateway", addressed && !network.internal ? show(network.gateway) : ""},
            {"IPAddress", addressed ? show(endpoint.address) : ""},
            {"IPPrefixLen", addressed ? endpoint.prefix_length : 0},
            {"IPv6Gateway", ""},
            {"GlobalIPv6Address", ""},
            {"GlobalIPv6PrefixLen", 0},
            {"DNSNames", addressed ? Json(endpoint.names()) : Json(nullptr)}};
}

Json network_status(const NetworkRecord& network, const Ipam& ipam) {
    Json subnets = Json::object();
    // The network and broadcast addresses count as in use, as Docker counts them.
    if (network.subnet)
        subnets[network.subnet->text()] = {{"IPsInUse", ipam.taken() + (network.subnet->length < 31 ? 2 : 0)},
                                           {"DynamicIPsAvailable", ipam.available()}};
    return {{"IPAM", {{"Subnets", subnets}}}};
}

}  // namespace gantry::network
