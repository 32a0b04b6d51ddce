#include "core/network/api.hpp"

#include "core/base/clock.hpp"

namespace gantry::network {
namespace {

template <typename Address>
std::string with_prefix(Address address, int length) {
    return address ? show(address) + "/" + std::to_string(length) : "";
}

template <typename Address>
Json ipam_config(const PrefixOf<Address>& subnet, const std::optional<PrefixOf<Address>>& range, Address gateway,
                 const std::map<std::string, std::string>& auxiliary) {
    Json config{{"Subnet", subnet.text()}, {"Gateway", show(gateway)}};
    if (range && *range != subnet) config["IPRange"] = range->text();
    for (const auto& [name, text] : auxiliary)
        if (FamilyOf<Address>::parse(text)) config["AuxiliaryAddresses"][name] = text;
    return config;
}

template <typename Address>
void add_status(Json& subnets, const std::optional<PrefixOf<Address>>& subnet, const IpamOf<Address>& ipam) {
    if (!subnet) return;
    // Those that nobody is given count as in use, as Docker counts them.
    subnets[subnet->text()] = {{"IPsInUse", ipam.taken() + ipam.never_given()},
                               {"DynamicIPsAvailable", ipam.available()}};
}

}  // namespace

Json network_to_api(const NetworkRecord& network) {
    Json config = Json::array();
    if (network.subnet)
        config.push_back(ipam_config(*network.subnet, network.range, network.gateway, network.auxiliary));
    if (network.subnet6)
        config.push_back(ipam_config(*network.subnet6, network.range6, network.gateway6, network.auxiliary));
    return {{"Name", network.name},
            {"Id", network.id},
            {"Created", rfc3339(network.created_ns)},
            {"Scope", "local"},
            {"Driver", network.driver},
            {"EnableIPv4", network.ipv4},
            {"EnableIPv6", network.ipv6},
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
            {"IPv4Address", with_prefix(endpoint.address, endpoint.prefix_length)},
            {"IPv6Address", with_prefix(endpoint.address6, endpoint.prefix_length6)}};
}

Json endpoint_settings(const NetworkRecord& network, const EndpointRecord& endpoint) {
    Json ipam = nullptr;
    if (!endpoint.fixed_ipv4.empty()) ipam["IPv4Address"] = endpoint.fixed_ipv4;
    if (!endpoint.fixed_ipv6.empty()) ipam["IPv6Address"] = endpoint.fixed_ipv6;
    const bool four = endpoint.address != 0, six = endpoint.address6 != 0;
    return {{"IPAMConfig", ipam},
            {"Links", endpoint.links.empty() ? Json(nullptr) : Json(endpoint.links)},
            {"Aliases", endpoint.aliases.empty() ? Json(nullptr) : Json(endpoint.aliases)},
            {"MacAddress", endpoint.mac},
            {"DriverOpts", endpoint.driver_options.empty() ? Json(nullptr) : Json(endpoint.driver_options)},
            {"GwPriority", endpoint.gateway_priority},
            {"NetworkID", network.id},
            {"EndpointID", endpoint.id},
            {"Gateway", four && !network.internal ? show(network.gateway) : ""},
            {"IPAddress", four ? show(endpoint.address) : ""},
            {"IPPrefixLen", four ? endpoint.prefix_length : 0},
            {"IPv6Gateway", six && !network.internal ? show(network.gateway6) : ""},
            {"GlobalIPv6Address", six ? show(endpoint.address6) : ""},
            {"GlobalIPv6PrefixLen", six ? endpoint.prefix_length6 : 0},
            {"DNSNames", four || six ? Json(endpoint.names()) : Json(nullptr)}};
}

Json network_status(const NetworkRecord& network, const Ipam& ipam, const Ipam6& ipam6) {
    Json subnets = Json::object();
    add_status(subnets, network.subnet, ipam);
    add_status(subnets, network.subnet6, ipam6);
    return {{"IPAM", {{"Subnets", subnets}}}};
}

}  // namespace gantry::network
