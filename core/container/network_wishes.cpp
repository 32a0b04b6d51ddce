#include "core/container/network_wishes.hpp"

#include <arpa/inet.h>

#include "core/base/text.hpp"
#include "core/container/port_spec.hpp"
#include "core/network/links.hpp"

namespace gantry::container {

Result<network::EndpointWish> endpoint_wish(const std::string& network, const Json& settings) {
    network::EndpointWish wish;
    wish.network = network;
    if (!settings.is_object()) return wish;
    try {
        auto list = [&](const char* key) {
            return settings.contains(key) && settings[key].is_array() ? settings[key].get<std::vector<std::string>>()
                                                                      : std::vector<std::string>{};
        };
        wish.aliases = list("Aliases");
        wish.links = list("Links");
        for (const std::string& text : wish.links) GANTRY_CHECK(network::parse_link(text));
        if (settings.contains("IPAMConfig") && settings["IPAMConfig"].is_object()) {
            const Json& ipam = settings["IPAMConfig"];
            wish.ipv4 = ipam.value("IPv4Address", "");
            wish.ipv6 = ipam.value("IPv6Address", "");
            if (ipam.contains("LinkLocalIPs") && ipam["LinkLocalIPs"].is_array() && !ipam["LinkLocalIPs"].empty())
                return fail(Code::unsupported, "link-local addresses are not supported");
            in_addr address{};
            in6_addr address6{};
            if (!wish.ipv4.empty() && ::inet_pton(AF_INET, wish.ipv4.c_str(), &address) != 1)
                return fail(Code::invalid, "invalid IPv4 address: " + wish.ipv4);
            if (!wish.ipv6.empty() && ::inet_pton(AF_INET6, wish.ipv6.c_str(), &address6) != 1)
                return fail(Code::invalid, "invalid IPv6 address: " + wish.ipv6);
        }
        wish.mac = settings.contains("MacAddress") && settings["MacAddress"].is_string()
                       ? settings["MacAddress"].get<std::string>()
                       : "";
        if (settings.contains("DriverOpts") && settings["DriverOpts"].is_object())
            for (const auto& [key, value] : settings["DriverOpts"].items())
                wish.driver_options[key] = value.get<std::string>();
        wish.gateway_priority = settings.value("GwPriority", 0);
        return wish;
    } catch (const Json::exception& e) {
        return fail(Code::invalid, "endpoint settings of network \"" + network + "\": " + e.what());
    }
}

namespace {

Result<void> add_bindings(NetworkWishes& wishes, const Json& bindings) {
    for (const auto& [text, list] : bindings.items()) {
        GANTRY_TRY(PortSpec port, parse_port(text));
        if (list.is_null() || list.empty()) {
            wishes.ports.push_back({port.protocol, port.port, "", 0});
            continue;
        }
        for (const Json& binding : list) {
            std::string address = binding.value("HostIp", ""), number = binding.value("HostPort", "");
            wishes.ports.push_back(
                {port.protocol, port.port, address, static_cast<std::uint16_t>(parse_int(number).value_or(0))});
        }
    }
    return {};
}

// -P: every exposed port that has no binding of its own, at a free port of the host.
Result<void> add_exposed(NetworkWishes& wishes, const Json& exposed) {
    for (const auto& [text, unused] : exposed.items()) {
        std::size_t slash = text.find('/'), dash = text.substr(0, slash).find('-');
        std::string suffix = slash == std::string::npos ? "" : text.substr(slash);
        std::string first = dash == std::string::npos ? text.substr(0, slash) : text.substr(0, dash);
        std::string last = dash == std::string::npos
                               ? first
                               : text.substr(dash + 1, slash == std::string::npos ? slash : slash - dash - 1);
        GANTRY_TRY(PortSpec low, parse_port(first + suffix));
        GANTRY_TRY(PortSpec high, parse_port(last + suffix));
        for (unsigned port = low.port; port <= high.port; ++port) {
            bool bound = std::any_of(wishes.ports.begin(), wishes.ports.end(), [&](const network::Port& p) {
                return p.container_port == port && p.protocol == low.protocol;
            });
            if (!bound) wishes.ports.push_back({low.protocol, static_cast<std::uint16_t>(port), "", 0});
        }
    }
    return {};
}

}  // namespace

Result<NetworkWishes> network_wishes(const Container& c) {
    NetworkWishes wishes;
    wishes.mode = c.network_mode();
    if (c.config.value("NetworkDisabled", false)) {
        wishes.mode = network::none_network;
        return wishes;
    }
    GANTRY_CHECK(add_bindings(wishes, c.host_config["PortBindings"]));
    if (c.host_config["PublishAllPorts"].get<bool>()) GANTRY_CHECK(add_exposed(wishes, c.config["ExposedPorts"]));
    for (const auto& [network, settings] : c.endpoints.items()) {
        GANTRY_TRY(network::EndpointWish wish, endpoint_wish(network, settings));
        wishes.endpoints.push_back(std::move(wish));
    }
    bool shared = wishes.mode == "host" || wishes.mode == "none" || wishes.mode.starts_with("container:");
    if (shared && wishes.mode.starts_with("container:") && !wishes.ports.empty())
        return fail(Code::invalid, "conflicting options: port publishing and the container type network mode");
    if (wishes.mode == "host")
        wishes.ports.clear();  // as Docker: published ports are discarded with the host's network
    if (wishes.mode == "none") wishes.ports.clear();
    return wishes;
}

}  // namespace gantry::container
