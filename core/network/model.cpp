#include "core/network/model.hpp"

#include <algorithm>

#include "core/base/ids.hpp"
#include "core/base/text.hpp"
#include "core/network/links.hpp"
#include "core/store/members.hpp"

namespace gantry::network {
namespace {

// "" is none; what is no address is damage.
template <typename Address>
Result<void> read_address(const std::string& text, const char* what, Address& address) {
    auto parsed = text.empty() ? Address{0} : FamilyOf<Address>::parse(text);
    if (!parsed) return fail(Code::corrupt, std::string("its ") + what + " cannot be \"" + text + "\"");
    address = *parsed;
    return {};
}

template <typename Address>
Result<void> read_prefix(const std::string& text, const char* what, std::optional<PrefixOf<Address>>& prefix) {
    if (text.empty()) return {};
    prefix = PrefixOf<Address>::parse(text);
    if (!prefix) return fail(Code::corrupt, std::string("its ") + what + " cannot be \"" + text + "\"");
    return {};
}

Result<Port> read_port(const Json& body) {
    Port port;
    GANTRY_CHECK(store::Members(body)
                     .required("protocol", port.protocol)
                     .required("container_port", port.container_port)
                     .required("host_address", port.host_address)
                     .required("host_port", port.host_port)
                     .result());
    return port;
}

}  // namespace

Json NetworkRecord::to_store() const {
    Json body{{"id", id},
              {"name", name},
              {"driver", driver},
              {"created", created_ns},
              {"internal", internal},
              {"attachable", attachable},
              {"built_in", built_in},
              {"labels", labels},
              {"given_options", given_options},
              {"options", options},
              {"subnet", subnet ? subnet->text() : ""},
              {"range", range ? range->text() : ""},
              {"gateway", gateway ? show(gateway) : ""},
              {"auxiliary", auxiliary},
              {"chosen_subnet", chosen_subnet},
              {"made", made},
              {"creating", creating},
              {"interface", interface}};
    if (!ipv4) body["ipv4"] = ipv4;
    if (ipv6)
        body.update({{"ipv6", true},
                     {"subnet6", subnet6 ? subnet6->text() : ""},
                     {"range6", range6 ? range6->text() : ""},
                     {"gateway6", gateway6 ? show(gateway6) : ""},
                     {"chosen_subnet6", chosen_subnet6}});
    return body;
}

Result<NetworkRecord> NetworkRecord::from_store(const Json& body) {
    NetworkRecord r;
    std::string subnet, range, gateway, subnet6, range6, gateway6;
    GANTRY_CHECK(store::Members(body)
                     .required("id", r.id)
                     .required("name", r.name)
                     .required("driver", r.driver)
                     .required("created", r.created_ns)
                     .required("internal", r.internal)
                     .required("attachable", r.attachable)
                     .required("built_in", r.built_in)
                     .required("labels", r.labels)
                     .object("given_options", r.given_options)
                     .object("options", r.options)
                     .required("subnet", subnet)
                     .required("range", range)
                     .required("gateway", gateway)
                     .required("auxiliary", r.auxiliary)
                     .required("chosen_subnet", r.chosen_subnet)
                     .required("made", r.made)
                     .required("creating", r.creating)
                     .required("interface", r.interface)
                     .optional("ipv4", r.ipv4)
                     .optional("ipv6", r.ipv6)
                     .optional("subnet6", subnet6)
                     .optional("range6", range6)
                     .optional("gateway6", gateway6)
                     .optional("chosen_subnet6", r.chosen_subnet6)
                     .result());
    GANTRY_CHECK(read_prefix(subnet6, "IPv6 subnet", r.subnet6));
    GANTRY_CHECK(read_prefix(range6, "IPv6 range", r.range6));
    GANTRY_CHECK(read_address(gateway6, "IPv6 gateway", r.gateway6));
    GANTRY_CHECK(read_prefix(subnet, "subnet", r.subnet));
    GANTRY_CHECK(read_prefix(range, "range", r.range));
    GANTRY_CHECK(read_address(gateway, "gateway", r.gateway));
    if (r.id.empty() || r.name.empty() || r.driver.empty())
        return fail(Code::corrupt, "a stored network has no id, name or driver");
    if ((r.subnet && !r.subnet->contains(r.gateway)) || (r.subnet6 && !r.subnet6->contains(r.gateway6)))
        return fail(Code::corrupt, "the gateway of stored network \"" + r.name + "\" is outside its subnet");
    if ((r.range && (!r.subnet || !r.subnet->contains(*r.range))) ||
        (r.range6 && (!r.subnet6 || !r.subnet6->contains(*r.range6))))
        return fail(Code::corrupt, "the range of stored network \"" + r.name + "\" is outside its subnet");
    return r;
}

Json to_json(const Port& port) {
    return {{"protocol", port.protocol},
            {"container_port", port.container_port},
            {"host_address", port.host_address},
            {"host_port", port.host_port}};
}

Json EndpointRecord::to_store() const {
    Json stored_ports = Json::array();
    for (const Port& port : ports) stored_ports.push_back(to_json(port));
    Json body{{"id", id},
              {"network", network},
              {"container", container},
              {"container_name", container_name},
              {"hostname", hostname},
              {"aliases", aliases},
              {"mac", mac},
              {"interface", interface},
              {"address", address ? show(address) : ""},
              {"prefix_length", prefix_length},
              {"fixed_ipv4", fixed_ipv4},
              {"fixed_mac", fixed_mac},
              {"driver_options", driver_options},
              {"gateway_priority", gateway_priority},
              {"default_gateway", default_gateway},
              {"ports", stored_ports}};
    if (!links.empty()) body["links"] = links;
    if (address6) {
        body["address6"] = show(address6);
        body["prefix_length6"] = prefix_length6;
    }
    if (!fixed_ipv6.empty()) body["fixed_ipv6"] = fixed_ipv6;
    return body;
}

Result<EndpointRecord> EndpointRecord::from_store(const Json& body) {
    EndpointRecord r;
    std::string address, address6;
    std::vector<Json> ports;
    GANTRY_CHECK(store::Members(body)
                     .required("id", r.id)
                     .required("network", r.network)
                     .required("container", r.container)
                     .required("container_name", r.container_name)
                     .required("hostname", r.hostname)
                     .required("aliases", r.aliases)
                     .required("mac", r.mac)
                     .required("interface", r.interface)
                     .required("address", address)
                     .required("prefix_length", r.prefix_length)
                     .required("fixed_ipv4", r.fixed_ipv4)
                     .required("fixed_mac", r.fixed_mac)
                     .required("driver_options", r.driver_options)
                     .required("gateway_priority", r.gateway_priority)
                     .required("default_gateway", r.default_gateway)
                     .required("ports", ports)
                     .optional("links", r.links)
                     .optional("address6", address6)
                     .optional("prefix_length6", r.prefix_length6)
                     .optional("fixed_ipv6", r.fixed_ipv6)
                     .result());
    GANTRY_CHECK(read_address(address, "address", r.address));
    GANTRY_CHECK(read_address(address6, "IPv6 address", r.address6));
    for (const Json& port : ports) {
        GANTRY_TRY(Port read, read_port(port));
        r.ports.push_back(std::move(read));
    }
    if (r.id.empty() || r.network.empty() || r.container.empty())
        return fail(Code::corrupt, "a stored endpoint has no id, network or container");
    for (const std::string& link : r.links)
        if (!parse_link(link)) return fail(Code::corrupt, "a stored endpoint has the link " + quote_json(link));
    return r;
}

std::vector<std::string> EndpointRecord::addresses() const {
    std::vector<std::string> all;
    if (address) all.push_back(show(address));
    if (address6) all.push_back(show(address6));
    return all;
}

std::vector<std::string> EndpointRecord::names() const {
    std::vector<std::string> all;
    auto add = [&](std::string name) {
        if (!name.empty() && std::find(all.begin(), all.end(), name) == all.end()) all.push_back(std::move(name));
    };
    add(container_name);
    for (const std::string& alias : aliases) add(alias);
    add(std::string(short_id(container)));
    add(hostname);
    return all;
}

Json network_for_driver(const NetworkRecord& network) {
    Json subnets = Json::array();
    if (network.subnet) subnets.push_back({{"subnet", network.subnet->text()}, {"gateway", show(network.gateway)}});
    if (network.subnet6) subnets.push_back({{"subnet", network.subnet6->text()}, {"gateway", show(network.gateway6)}});
    return {{"id", network.id},           {"generation", 1},
            {"name", network.name},       {"labels", network.labels},
            {"options", network.options}, {"internal", network.internal},
            {"subnets", subnets},         {"auxiliary", network.auxiliary}};
}

Json endpoint_for_driver(const EndpointRecord& endpoint) {
    Json addresses = Json::array();
    if (endpoint.address) addresses.push_back(show(endpoint.address) + "/" + std::to_string(endpoint.prefix_length));
    if (endpoint.address6) addresses.push_back(show(endpoint.address6) + "/" + std::to_string(endpoint.prefix_length6));
    return {{"id", endpoint.id},
            {"generation", 1},
            {"container", {{"id", endpoint.container}, {"name", endpoint.container_name}}},
            {"names", endpoint.names()},
            {"mac", endpoint.mac},
            {"addresses", addresses},
            {"options", endpoint.driver_options}};
}

Json ports_for_driver(const std::vector<Port>& ports) {
    Json list = Json::array();
    for (const Port& port : ports) list.push_back(to_json(port));
    return list;
}

}  // namespace gantry::network
