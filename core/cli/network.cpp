#include <arpa/inet.h>

#include <cstring>

#include "core/base/text.hpp"
#include "core/cli/format.hpp"
#include "core/cli/handlers.hpp"
#include "core/cli/json_access.hpp"
#include "core/cli/key_values.hpp"
#include "core/cli/rows.hpp"

namespace gantry::cli {
namespace {

// Is the address (or the beginning of a range) inside the subnet, both in CIDR notation or bare?
bool inside(const std::string& subnet, const std::string& address) {
    std::string network = subnet.substr(0, subnet.find('/')), single = address.substr(0, address.find('/'));
    int family = network.find(':') == std::string::npos ? AF_INET : AF_INET6;
    unsigned char a[16] = {}, b[16] = {};
    if (::inet_pton(family, network.c_str(), a) != 1 || ::inet_pton(family, single.c_str(), b) != 1) return false;
    auto bits = subnet.find('/') == std::string::npos ? std::optional<std::int64_t>(family == AF_INET ? 32 : 128)
                                                      : parse_int(subnet.substr(subnet.find('/') + 1));
    if (!bits || *bits < 0 || *bits > (family == AF_INET ? 32 : 128)) return false;
    auto whole = static_cast<std::size_t>(*bits / 8);
    if (std::memcmp(a, b, whole) != 0) return false;
    auto rest = static_cast<unsigned>(*bits % 8);
    if (rest == 0) return true;
    auto mask = static_cast<unsigned char>(0xffu << (8 - rest));
    return (a[whole] & mask) == (b[whole] & mask);
}

// Each range, gateway and auxiliary address belongs to the subnet it lies in.
Result<Json> ipam_configs(const std::vector<std::string>& subnets, const std::vector<std::string>& ranges,
                          const std::vector<std::string>& gateways, const std::vector<std::string>& auxiliary) {
    if (subnets.size() < ranges.size() || subnets.size() < gateways.size())
        return fail(Code::invalid, "every ip-range or gateway must have a corresponding subnet");
    Json configs = Json::array();
    for (const std::string& subnet : subnets) configs.push_back(Json{{"Subnet", subnet}});
    auto place = [&](const std::string& address, const char* what) -> Result<Json*> {
        for (Json& config : configs)
            if (inside(text_at(config, "Subnet"), address)) return &config;
        return fail(Code::invalid, std::string("no matching subnet for ") + what + " " + address);
    };
    for (const std::string& range : ranges) {
        GANTRY_TRY(Json * config, place(range, "range"));
        if (config->contains("IPRange"))
            return fail(Code::invalid, "cannot configure multiple ranges (" + range + ", " +
                                           text_at(*config, "IPRange") + ") on the same subnet");
        (*config)["IPRange"] = range;
    }
    for (const std::string& gateway : gateways) {
        GANTRY_TRY(Json * config, place(gateway, "gateway"));
        if (config->contains("Gateway"))
            return fail(Code::invalid, "cannot configure multiple gateways (" + gateway + ", " +
                                           text_at(*config, "Gateway") + ") for the same subnet");
        (*config)["Gateway"] = gateway;
    }
    for (const std::string& word : auxiliary) {
        std::size_t equals = word.find('=');
        if (equals == std::string::npos)
            return fail(Code::invalid, "invalid value \"" + word + "\" for --aux-address: want name=address");
        GANTRY_TRY(Json * config, place(word.substr(equals + 1), "aux-address"));
        (*config)["AuxiliaryAddresses"][word.substr(0, equals)] = word.substr(equals + 1);
    }
    return configs;
}

}  // namespace

Result<int> network_create(Call& call) {
    std::string driver, ipam_driver, scope, config_from;
    std::vector<std::string> options, subnets, gateways, ranges, auxiliary, labels, ipam_options;
    bool internal = false, ipv6 = false, ipv4 = true, attachable = false, ingress = false, config_only = false;
    Flags flags;
    flags.text(driver, 'd', "driver", "Driver to manage the Network");
    flags.list(options, 'o', "opt", "Set driver specific options", "map");
    flags.list(subnets, 0, "subnet", "Subnet in CIDR format that represents a network segment", "strings");
    flags.list(gateways, 0, "gateway", "IPv4 or IPv6 Gateway for the master subnet", "strings");
    flags.list(ranges, 0, "ip-range", "Allocate container ip from a sub-range", "strings");
    flags.list(auxiliary, 0, "aux-address", "Auxiliary IPv4 or IPv6 addresses used by Network driver", "map");
    flags.boolean(internal, 0, "internal", "Restrict external access to the network");
    flags.boolean(ipv4, 0, "ipv4", "Enable or disable IPv4 address assignment");
    flags.boolean(ipv6, 0, "ipv6", "Enable or disable IPv6 address assignment");
    flags.list(labels, 0, "label", "Set metadata on a network");
    flags.text(ipam_driver, 0, "ipam-driver", "IP Address Management Driver");
    flags.list(ipam_options, 0, "ipam-opt", "Set IPAM driver specific options", "map");
    flags.boolean(attachable, 0, "attachable", "Enable manual container attachment");
    flags.text(scope, 0, "scope", "Control the network's scope");
    flags.boolean(ingress, 0, "ingress", "Create swarm routing-mesh network");
    flags.boolean(config_only, 0, "config-only", "Create a configuration only network");
    flags.text(config_from, 0, "config-from", "The network from which to copy the configuration");
    auto args = call.parse(flags, exactly(1));
    if (!args) return call.exit_code();
    Json body{{"Name", (*args)[0]}};
    if (!driver.empty()) body["Driver"] = driver;
    GANTRY_TRY(Json driver_options, key_values(options, "--opt"));
    if (!driver_options.empty()) body["Options"] = std::move(driver_options);
    GANTRY_TRY(Json label_map, read_labels({}, labels));
    if (!label_map.empty()) body["Labels"] = std::move(label_map);
    GANTRY_TRY(Json configs, ipam_configs(subnets, ranges, gateways, auxiliary));
    GANTRY_TRY(Json ipam_map, key_values(ipam_options, "--ipam-opt"));
    if (!ipam_driver.empty()) body["IPAM"]["Driver"] = ipam_driver;
    if (!configs.empty()) body["IPAM"]["Config"] = std::move(configs);
    if (!ipam_map.empty()) body["IPAM"]["Options"] = std::move(ipam_map);
    if (internal) body["Internal"] = true;
    if (attachable) body["Attachable"] = true;
    if (ingress) body["Ingress"] = true;
    if (config_only) body["ConfigOnly"] = true;
    if (!scope.empty()) body["Scope"] = scope;
    if (!config_from.empty()) body["ConfigFrom"]["Network"] = config_from;
    if (flags.given("ipv4")) body["EnableIPv4"] = ipv4;
    if (flags.given("ipv6")) body["EnableIPv6"] = ipv6;
    GANTRY_TRY(Json made, call.client().post("/networks/create", &body));
    if (std::string warning = text_at(made, "Warning"); !warning.empty()) print_err("WARNING: " + warning + "\n");
    print_out(text_at(made, "Id") + "\n");
    return 0;
}

Result<int> network_ls(Call& call) {
    bool quiet = false, no_trunc = false;
    std::string format;
    std::vector<std::string> filters;
    Flags flags;
    flags.boolean(quiet, 'q', "quiet", "Only display network IDs");
    flags.boolean(no_trunc, 0, "no-trunc", "Do not truncate the output");
    flags.text(format, 0, "format",
               "Format output using a custom template: 'table', 'table TEMPLATE', 'json' or 'TEMPLATE'");
    flags.list(filters, 'f', "filter", "Provide filter values (e.g. \"driver=bridge\")", "filter");
    auto args = call.parse(flags, exactly(0));
    if (!args) return call.exit_code();
    GANTRY_TRY(std::string wanted, parse_filters(filters));
    GANTRY_TRY(Json list,
               call.client().get("/networks" + (wanted.empty() ? std::string() : query({{"filters", wanted}}))));
    std::vector<Json> rows;
    if (list.is_array())
        for (const Json& network : list) {
            std::string id = text_at(network, "Id");
            rows.push_back(
                Json{{"ID", no_trunc ? id : id.substr(0, 12)},
                     {"Name", text_at(network, "Name")},
                     {"Driver", text_at(network, "Driver")},
                     {"Scope", text_at(network, "Scope")},
                     {"IPv4", flag_at(network, "EnableIPv4") ? "true" : "false"},
                     {"IPv6", flag_at(network, "EnableIPv6") ? "true" : "false"},
                     {"Internal", flag_at(network, "Internal") ? "true" : "false"},
                     {"Labels", labels_text(member(network, "Labels"))},
                     {"CreatedAt", text_at(network, "Created")},
                     {"__labels", member(network, "Labels").is_object() ? member(network, "Labels") : Json::object()}});
        }
    std::sort(rows.begin(), rows.end(),
              [](const Json& a, const Json& b) { return text_at(a, "Name") < text_at(b, "Name"); });
    ListShape shape{{"ID", "Name", "Driver", "Scope"}, {{"ID", "NETWORK ID"}, {"CreatedAt", "CREATED AT"}}};
    if (quiet) format = "{{.ID}}";
    GANTRY_TRY(std::string text, format_list(rows, shape, format));
    print_out(text);
    return 0;
}

Result<int> network_rm(Call& call) {
    bool force = false;
    Flags flags;
    flags.boolean(force, 'f', "force", "Do not error if the network does not exist");
    auto args = call.parse(flags, at_least(1));
    if (!args) return call.exit_code();
    return for_each_name(*args, [&](const std::string& name) -> Result<std::string> {
        auto removed = call.client().remove("/networks/" + path_escape(name));
        if (!removed && force && removed.error().code == Code::not_found) return std::string();
        if (!removed) return removed.error();
        return name;
    });
}

Result<int> network_connect(Call& call) {
    std::string ip, ip6;
    std::vector<std::string> aliases, links, link_local, options;
    std::int64_t priority = 0;
    Flags flags;
    flags.text(ip, 0, "ip", "IPv4 address (e.g., \"172.30.100.104\")", "ip");
    flags.text(ip6, 0, "ip6", "IPv6 address (e.g., \"2001:db8::33\")", "ip");
    flags.list(aliases, 0, "alias", "Add network-scoped alias for the container", "strings");
    flags.list(links, 0, "link", "Add link to another container");
    flags.list(link_local, 0, "link-local-ip", "Add a link-local address for the container", "strings");
    flags.list(options, 0, "driver-opt", "driver options for the network", "strings");
    flags.integer(priority, 0, "gw-priority", "Highest gw-priority provides the default gateway");
    auto args = call.parse(flags, exactly(2));
    if (!args) return call.exit_code();
    Json settings = Json::object();
    if (!ip.empty()) settings["IPAMConfig"]["IPv4Address"] = ip;
    if (!ip6.empty()) settings["IPAMConfig"]["IPv6Address"] = ip6;
    if (!link_local.empty()) settings["IPAMConfig"]["LinkLocalIPs"] = link_local;
    if (!aliases.empty()) settings["Aliases"] = aliases;
    if (!links.empty()) settings["Links"] = links;
    if (priority != 0) settings["GwPriority"] = priority;
    GANTRY_TRY(Json driver_options, key_values(options, "--driver-opt"));
    if (!driver_options.empty()) settings["DriverOpts"] = std::move(driver_options);
    Json body{{"Container", (*args)[1]}, {"EndpointConfig", std::move(settings)}};
    GANTRY_TRY(Json done, call.client().post("/networks/" + path_escape((*args)[0]) + "/connect", &body));
    return 0;
}

Result<int> network_disconnect(Call& call) {
    bool force = false;
    Flags flags;
    flags.boolean(force, 'f', "force", "Force the container to disconnect from a network");
    auto args = call.parse(flags, exactly(2));
    if (!args) return call.exit_code();
    Json body{{"Container", (*args)[1]}, {"Force", force}};
    GANTRY_TRY(Json done, call.client().post("/networks/" + path_escape((*args)[0]) + "/disconnect", &body));
    return 0;
}

}  // namespace gantry::cli
