// Networks and endpoints as the store holds them.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <gantry/json.hpp>
#include <gantry/result.hpp>

#include "core/network/addresses.hpp"
#include "core/network/network_service.hpp"

namespace gantry::network {

struct NetworkRecord {
    std::string id, name, driver;
    std::int64_t created_ns = 0;
    bool internal = false, attachable = false, built_in = false;
    std::map<std::string, std::string> labels;
    Json given_options = Json::object();  // as the user wrote them
    Json options = Json::object();        // validated and complete, for the driver
    // No subnet of either family: a network whose driver gives no addresses.
    std::optional<Prefix> subnet, range;
    Ipv4 gateway = 0;
    std::map<std::string, std::string> auxiliary;  // of both families
    bool ipv4 = true, ipv6 = false;                // addresses of the family are given to endpoints
    std::optional<Prefix6> subnet6, range6;
    Ipv6 gateway6 = 0;
    bool chosen_subnet = false, chosen_subnet6 = false;  // by the engine, not the user
    bool made = false;                                   // the driver was asked for it and not asked to remove it
    bool creating = false;                               // no client was told of it yet
    std::string interface;                               // what the driver called it

    bool addressed() const { return subnet.has_value() || subnet6.has_value(); }
    Json to_store() const;
    // GANTRY_CORRUPT for what to_store() cannot have written.
    static Result<NetworkRecord> from_store(const Json& body);
};

struct EndpointRecord {
    std::string id, network, container, container_name, hostname;
    std::vector<std::string> aliases, links;
    std::string mac, interface;
    Ipv4 address = 0;   // 0: none
    Ipv6 address6 = 0;  // 0: none
    int prefix_length = 0, prefix_length6 = 0;
    std::string fixed_ipv4, fixed_ipv6, fixed_mac;  // as wished
    std::map<std::string, std::string> driver_options;
    int gateway_priority = 0;
    bool default_gateway = false;
    std::vector<Port> ports;

    bool addressed() const { return address != 0 || address6 != 0; }
    // Its addresses as text, IPv4 first.
    std::vector<std::string> addresses() const;
    Json to_store() const;
    // GANTRY_CORRUPT for what to_store() cannot have written.
    static Result<EndpointRecord> from_store(const Json& body);
    // Every name it answers to, the container's own first; no duplicates.
    std::vector<std::string> names() const;
};

Json to_json(const Port& port);
// What the driver is told: NETWORK and ENDPOINT of abi/network.h.
Json network_for_driver(const NetworkRecord& network);
Json endpoint_for_driver(const EndpointRecord& endpoint);
Json ports_for_driver(const std::vector<Port>& ports);

}  // namespace gantry::network
