#include "core/network/model.hpp"

#include <algorithm>

#include <gantry/driver.hpp>

#include "core/base/ids.hpp"

namespace gantry::network {
namespace {

std::optional<Prefix> stored_prefix(const Json& body, const char* key) {
    const std::string text = member<std::string>(body, key);
    return text.empty() ? std::nullopt : parse_prefix(text);
}

}  // namespace

Json NetworkRecord::to_store() const {
    return {{"id", id},
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
}

Result<NetworkRecord> NetworkRecord::from_store(const Json& body) {
    NetworkRecord r;
    r.id = member<std::string>(body, "id");
    r.name = member<std::string>(body, "name");
    r.driver = member<std::string>(body, "driver");
    r.created_ns = member<std::int64_t>(body, "created");
    r.internal = member<bool>(body, "internal");
    r.attachable = member<bool>(body, "attachable");
    r.built_in = member<bool>(body, "built_in");
    r.labels = member<std::map<std::string, std::string>>(body, "labels");
    r.given_options = member<Json>(body, "given_options", Json::object());
    r.options = member<Json>(body, "options", Json::object());
    r.subnet = stored_prefix(body, "subnet");
    r.range = stored_prefix(body, "range");
    r.gateway = parse_ipv4(member<std::string>(body, "gateway")).value_or(0);
    r.auxiliary = member<std::map<std::string, std::string>>(body, "auxiliary");
    r.chosen_subnet = member<bool>(body, "chosen_subnet");
    r.made = member<bool>(body, "made");
    r.creating = member<bool>(body, "creating");
    r.interface = member<std::string>(body, "interface");
    if (r.id.empty() || r.name.empty() || r.driver.empty())
        return fail(Code::corrupt, "a stored network has no id, name or driver");
    if (r.subnet && !r.subnet->contains(r.gateway))
        return fail(Code::corrupt, "the gateway of stored network \"" + r.name + "\" is outside its subnet");
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
    return {{"id", id},
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
}

Result<EndpointRecord> EndpointRecord::from_store(const Json& body) {
    EndpointRecord r;
    r.id = member<std::string>(body, "id");
    r.network = member<std::string>(body, "network");
    r.container = member<std::string>(body, "container");
    r.container_name = member<std::string>(body, "container_name");
    r.hostname = member<std::string>(body, "hostname");
    r.aliases = member<std::vector<std::string>>(body, "aliases");
    r.mac = member<std::string>(body, "mac");
    r.interface = member<std::string>(body, "interface");
    r.address = parse_ipv4(member<std::string>(body, "address")).value_or(0);
    r.prefix_length = member<int>(body, "prefix_length");
    r.fixed_ipv4 = member<std::string>(body, "fixed_ipv4");
    r.fixed_mac = member<std::string>(body, "fixed_mac");
    r.driver_options = member<std::map<std::string, std::string>>(body, "driver_options");
    r.gateway_priority = member<int>(body, "gateway_priority");
    r.default_gateway = member<bool>(body, "default_gateway");
    for (const Json& port : member<std::vector<Json>>(body, "ports"))
        r.ports.push_back({member<std::string>(port, "protocol"), member<std::uint16_t>(port, "container_port"),
                           member<std::string>(port, "host_address"), member<std::uint16_t>(port, "host_port")});
    if (r.id.empty() || r.network.empty() || r.container.empty())
        return fail(Code::corrupt, "a stored endpoint has no id, network or container");
    return r;
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
    return {{"id", network.id},           {"generation", 1},
            {"name", network.name},       {"labels", network.labels},
            {"options", network.options}, {"internal", network.internal},
            {"subnets", subnets}};
}

Json endpoint_for_driver(const EndpointRecord& endpoint) {
    Json addresses = Json::array();
    if (endpoint.address) addresses.push_back(show(endpoint.address) + "/" + std::to_string(endpoint.prefix_length));
    return {{"id", endpoint.id},
            {"generation", 1},
            {"container", {{"id", endpoint.container}, {"name", endpoint.container_name}}},
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
