#include "plugins/network/bridge/options.hpp"

#include <arpa/inet.h>
#include <net/if.h>

#include <algorithm>

namespace gantry::bridge {
namespace {

constexpr const char* option_name = "com.docker.network.bridge.name";
constexpr const char* option_icc = "com.docker.network.bridge.enable_icc";
constexpr const char* option_masquerade = "com.docker.network.bridge.enable_ip_masquerade";
constexpr const char* option_binding = "com.docker.network.bridge.host_binding_ipv4";
constexpr const char* option_mode = "com.docker.network.bridge.gateway_mode_ipv4";
constexpr const char* option_mode6 = "com.docker.network.bridge.gateway_mode_ipv6";
constexpr const char* option_mtu = "com.docker.network.driver.mtu";
constexpr std::size_t id_digits = 12;

bool valid_interface_name(const std::string& name) {
    if (name.empty() || name.size() >= IFNAMSIZ || name == "." || name == ".." || name == "lo") return false;
    for (char c : name)
        if (c <= ' ' || c > '~' || c == '/' || c == ':' || c == '"' || c == '%' || c == '\\' || c == '*') return false;
    return true;
}

Result<GatewayMode> read_mode(const Network& network, const char* option) {
    const auto mode = member<std::string>(network.options, option, "nat");
    if (mode == "nat") return GatewayMode::nat;
    if (mode == "nat-unprotected") return GatewayMode::nat_unprotected;
    if (mode == "routed") return GatewayMode::routed;
    if (network.internal) return GatewayMode::isolated;
    return fail(Code::invalid, std::string("option \"") + option + "\": \"" + mode + "\" needs an internal network");
}

}  // namespace

Json object_options() {
    return {
        {option_name,
         {{"type", "string"}, {"default", ""}, {"help", "name of the bridge interface, 15 characters at most"}}},
        {option_icc, {{"type", "boolean"}, {"default", true}, {"help", "containers of the network reach each other"}}},
        {option_masquerade,
         {{"type", "boolean"}, {"default", true}, {"help", "connections to elsewhere leave with the host's address"}}},
        {option_binding,
         {{"type", "string"}, {"default", "0.0.0.0"}, {"help", "host address of published ports that name none"}}},
        {option_mtu,
         {{"type", "integer"},
          {"default", 0},
          {"minimum", 0},
          {"maximum", 65535},
          {"help", "largest packet in bytes; 0: as the interface of the host's default route has it"}}},
        {option_mode,
         {{"type", "string"},
          {"default", "nat"},
          {"values", {"nat", "nat-unprotected", "routed", "isolated"}},
          {"help",
           "what leads into the network; routed: published ports at the containers' own addresses, nothing is "
           "translated; isolated: nothing, and the host has no address in it"}}},
        {option_mode6,
         {{"type", "string"},
          {"default", "nat"},
          {"values", {"nat", "nat-unprotected", "routed", "isolated"}},
          {"help",
           "what leads into the network; routed: published ports at the containers' own addresses, nothing is "
           "translated; isolated: nothing, and the host has no address in it"}}},
    };
}

Result<NetworkOptions> read_options(const std::string& engine, const Network& network) {
    NetworkOptions options;
    options.interface = member<std::string>(network.options, option_name);
    options.inter_container = member<bool>(network.options, option_icc, true);
    options.masquerade = member<bool>(network.options, option_masquerade, true);
    options.host_binding = member<std::string>(network.options, option_binding, "0.0.0.0");
    options.mtu = member<int>(network.options, option_mtu, 0);
    if (options.mtu > 0 && options.mtu < 68)
        return fail(Code::invalid, std::string("option \"") + option_mtu + "\": " + std::to_string(options.mtu) +
                                       " is less than IPv4's 68 (RFC 791)");
    const bool six = std::any_of(network.subnets.begin(), network.subnets.end(),
                                 [](const Subnet& subnet) { return is_ipv6(subnet.subnet); });
    if (six && options.mtu > 0 && options.mtu < 1280)
        return fail(Code::invalid, std::string("option \"") + option_mtu + "\": " + std::to_string(options.mtu) +
                                       " is less than IPv6's 1280 (RFC 8200)");
    GANTRY_TRY(options.gateway_mode, read_mode(network, option_mode));
    GANTRY_TRY(options.gateway_mode6, read_mode(network, option_mode6));
    in_addr address{};
    if (::inet_pton(AF_INET, options.host_binding.c_str(), &address) != 1)
        return fail(Code::invalid, std::string("option \"") + option_binding + "\": \"" + options.host_binding +
                                       "\" is not an IPv4 address");
    if (options.interface.empty()) {
        if (network.id.size() < id_digits) return fail(Code::invalid, "network id \"" + network.id + "\" is too short");
        // Ids are random, so engines beside each other never clash; the name that people look for goes to one only.
        options.interface =
            network.name == "bridge" && engine == "gantry" ? "gantry0" : "gb-" + network.id.substr(0, id_digits);
    }
    if (!valid_interface_name(options.interface))
        return fail(Code::invalid, std::string("option \"") + option_name + "\": \"" + options.interface +
                                       "\" cannot name an interface");
    return options;
}

std::string host_end(std::string_view endpoint_id) { return "gv-" + std::string(endpoint_id.substr(0, id_digits)); }

std::string mark(std::string_view engine, std::string_view network_id) {
    return "gantry:" + std::string(engine) + ":" + std::string(network_id);
}

}  // namespace gantry::bridge
