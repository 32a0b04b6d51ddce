#include "plugins/network/common/bridge/rules.hpp"

namespace gantry::bridge {
namespace {

// Each line of the rules is one nft command with the table's name for $.
constexpr const char* commands[] = {
    "add table inet $",
    "add set inet $ bridges { type ifname; }",
    "add set inet $ internal { type ifname; }",
    "add set inet $ talking { type ifname . ifname; }",
    "add set inet $ hairpin { type ifname . ipv4_addr; flags interval; }",
    "add set inet $ hairpin6 { type ifname . ipv6_addr; flags interval; }",
    "add set inet $ masqueraded { type ipv4_addr; flags interval; }",
    "add set inet $ masqueraded6 { type ipv6_addr; flags interval; }",
    "add set inet $ unprotected { type ifname . ipv4_addr; flags interval; }",
    "add set inet $ unprotected6 { type ifname . ipv6_addr; flags interval; }",
    "add map inet $ any_ports { type inet_proto . inet_service : ipv4_addr . inet_service; }",
    "add map inet $ fixed_ports { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }",
    "add map inet $ any_ports6 { type inet_proto . inet_service : ipv6_addr . inet_service; }",
    "add map inet $ fixed_ports6 { type ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service; }",
    "add set inet $ routed { type ifname; }",
    "add set inet $ routed6 { type ifname; }",
    "add set inet $ open { type ipv4_addr . inet_proto . inet_service; }",
    "add set inet $ open6 { type ipv6_addr . inet_proto . inet_service; }",
    "add chain inet $ ports",
    "add chain inet $ segments",
    "add chain inet $ early { type filter hook prerouting priority raw; policy accept; }",
    "add chain inet $ prerouting { type nat hook prerouting priority dstnat; policy accept; }",
    "add chain inet $ output { type nat hook output priority -100; policy accept; }",
    "add chain inet $ input { type filter hook input priority filter; policy accept; }",
    "add chain inet $ forward { type filter hook forward priority filter; policy accept; }",
    "add chain inet $ postrouting { type nat hook postrouting priority srcnat; policy accept; }",
    "flush table inet $",

    // Bridges have route_localnet, so that the host's own 127.0.0.1:PORT leads to a container. Nobody else may use
    // loopback addresses across an interface: a neighbour would reach ports published on 127.0.0.1, a container would
    // reach the host's own services. Of what every packet meets, the cheap comparison comes first.
    "add rule inet $ early ip daddr 127.0.0.0/8 iifname != \"lo\" drop",
    "add rule inet $ early ip saddr 127.0.0.0/8 iifname @bridges drop",

    // Published ports: only what is sent to the host itself, never what the host forwards for others.
    "add rule inet $ prerouting fib daddr type local jump ports",
    "add rule inet $ output fib daddr type local jump ports",
    "add rule inet $ ports dnat ip addr . port to ip daddr . meta l4proto . th dport map @fixed_ports",
    "add rule inet $ ports meta nfproto ipv4 dnat ip addr . port to meta l4proto . th dport map @any_ports",
    // Neither ::1 nor an address of one link can be answered from another interface.
    "add rule inet $ ports ip6 daddr { ::1, fe80::/10 } return",
    "add rule inet $ ports dnat ip6 addr . port to ip6 daddr . meta l4proto . th dport map @fixed_ports6",
    "add rule inet $ ports meta nfproto ipv6 dnat ip6 addr . port to meta l4proto . th dport map @any_ports6",

    // An internal network may ask the engine for names, and nothing else of the host.
    "add rule inet $ input iifname @internal ct state established,related accept",
    "add rule inet $ input iifname @internal meta l4proto { tcp, udp } th dport 53 accept",
    "add rule inet $ input iifname @internal meta l4proto { icmp, ipv6-icmp } accept",
    "add rule inet $ input iifname @internal drop",

    // Connections of networks with smaller packets than the way beyond, or larger ones: both ends learn what passes.
    "add rule inet $ forward tcp flags & (syn | rst) == syn jump segments",
    "add rule inet $ segments iifname @bridges tcp option maxseg size set rt mtu return",
    "add rule inet $ segments oifname @bridges tcp option maxseg size set rt mtu",

    // Into a network comes only what belongs to a known connection, its own, or what was sent to a published port.
    "add rule inet $ forward ct state established,related accept",
    "add rule inet $ forward iifname . oifname @talking accept",
    "add rule inet $ forward iifname @internal drop",
    "add rule inet $ forward oifname @internal drop",
    "add rule inet $ forward oifname @bridges ct status dnat accept",
    "add rule inet $ forward oifname . ip daddr @unprotected accept",
    "add rule inet $ forward oifname . ip6 daddr @unprotected6 accept",
    // Networks without translation: their published ports at their own addresses, and what tells of reachability.
    "add rule inet $ forward ip daddr . meta l4proto . th dport @open accept",
    "add rule inet $ forward ip6 daddr . meta l4proto . th dport @open6 accept",
    "add rule inet $ forward oifname @routed meta l4proto icmp accept",
    "add rule inet $ forward oifname @routed6 meta l4proto ipv6-icmp accept",
    "add rule inet $ forward oifname @bridges drop",

    // A container that reaches a neighbour or itself by the host's port must get its answer by the host again, and
    // the host's loopback address means nothing to a container.
    "add rule inet $ postrouting ct status dnat oifname . ip saddr @hairpin masquerade",
    "add rule inet $ postrouting ct status dnat oifname . ip6 saddr @hairpin6 masquerade",
    "add rule inet $ postrouting oifname @bridges ip saddr 127.0.0.0/8 masquerade",
    "add rule inet $ postrouting ip saddr @masqueraded oifname != @bridges masquerade",
    "add rule inet $ postrouting ip6 saddr @masqueraded6 oifname != @bridges masquerade",
};

void append_element(std::string& text, const std::string& table, const char* verb, const char* set,
                    const std::string& element) {
    text.append(verb)
        .append(" element inet ")
        .append(table)
        .append(" ")
        .append(set)
        .append(" { ")
        .append(element)
        .append(" }\n");
}

}  // namespace

std::string table_name(const std::string& engine) { return engine == "gantry" ? engine : "gantry_" + engine; }

std::string skeleton(const std::string& table) {
    std::string text;
    for (const char* command : commands) {
        std::string line = command;
        line.replace(line.find('$'), 1, table);
        text += line + "\n";
    }
    return text;
}

std::string network_elements(const std::string& table, const char* verb, const NetworkRules& network) {
    const std::string bridge = "\"" + network.bridge + "\"";
    std::string text;
    append_element(text, table, verb, "bridges", bridge);
    if (network.internal) append_element(text, table, verb, "internal", bridge);
    if (network.inter_container) append_element(text, table, verb, "talking", bridge + " . " + bridge);
    if (network.internal) return text;
    for (const auto& [subnet, mode] : network.subnets) {
        const bool six = is_ipv6(subnet);
        if (mode == GatewayMode::routed) {
            append_element(text, table, verb, six ? "routed6" : "routed", bridge);
            continue;
        }
        append_element(text, table, verb, six ? "hairpin6" : "hairpin", bridge + " . " + subnet);
        if (mode == GatewayMode::nat_unprotected)
            append_element(text, table, verb, six ? "unprotected6" : "unprotected", bridge + " . " + subnet);
        if (network.masquerade) append_element(text, table, verb, six ? "masqueraded6" : "masqueraded", subnet);
    }
    return text;
}

std::string port_element(const std::string& table, const char* verb, const PublishedPort& port,
                         const std::string& address) {
    std::string text;
    if (port.host_port == 0) {
        append_element(text, table, verb, is_ipv6(address) ? "open6" : "open",
                       address + " . " + port.protocol + " . " + std::to_string(port.container_port));
        return text;
    }
    std::string element = port.protocol + " . " + std::to_string(port.host_port);
    if (!on_any_address(port)) element = port.host_address + " . " + element;
    element += " : " + address + " . " + std::to_string(port.container_port);
    const std::string map = on_any_address(port) ? "any_ports" : "fixed_ports";
    append_element(text, table, verb, (map + (is_ipv6(address) ? "6" : "")).c_str(), element);
    return text;
}

}  // namespace gantry::bridge
