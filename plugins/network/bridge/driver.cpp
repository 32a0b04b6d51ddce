// One Linux bridge per network, a pair of interfaces per endpoint, one nftables table per engine.
#include <gantry/network.hpp>

#include <memory>
#include <set>

#include "plugins/network/common/bridge/firewall.hpp"
#include "plugins/network/common/bridge/forwarding.hpp"
#include "plugins/network/common/bridge/link.hpp"
#include "plugins/network/common/bridge/put_away.hpp"
#include "plugins/network/bridge/options.hpp"
#include "plugins/network/common/bridge/reaper.hpp"
#include "plugins/network/bridge/uplink.hpp"
#include "plugins/network/common/bridge/watcher.hpp"

namespace gantry::bridge {
namespace {

std::string without_prefix(const std::string& address) { return address.substr(0, address.find('/')); }

// Whether one of the addresses is of the family of `other`.
bool has_family(const std::vector<std::string>& addresses, const std::string& other) {
    return std::any_of(addresses.begin(), addresses.end(),
                       [&](const std::string& address) { return is_ipv6(address) == is_ipv6(other); });
}

class BridgeDriver final : public NetworkDriver {
public:
    static constexpr bool offers_expose = true;
    static constexpr bool offers_stats = true;

    static Json describe() {
        return {{"summary", "a Linux bridge on this host, with published ports"},
                {"abilities", {"expose", "stats", "internal"}},
                {"options", Json::object()},
                {"object_options", object_options()}};
    }

    static Result<std::unique_ptr<BridgeDriver>> create(Host host, const DriverConfig& config) {
        GANTRY_TRY(auto firewall, Firewall::create(config.engine));
        auto driver = std::make_unique<BridgeDriver>(host, config, std::move(firewall));
        GANTRY_TRY(driver->watcher_,
                   Watcher::create(driver->firewall_->table(), [self = driver.get()] { self->restore_rules(); }));
        return driver;
    }

    BridgeDriver(Host host, const DriverConfig& config, std::unique_ptr<Firewall> firewall)
        : host_(host), engine_(config.engine), forwarding_(config.run), firewall_(std::move(firewall)) {}

    Result<Ready> ensure(Call&, const Network& network) override {
        GANTRY_TRY(Plan plan, plan_of(network));
        if (plan.bridge.mtu == 0) {
            GANTRY_TRY(plan.bridge.mtu, uplink_mtu());
        }
        GANTRY_TRY(auto kernel, netlink::Socket::open());
        // Rules first: the bridge is never up without them.
        GANTRY_CHECK(firewall_->ensure_network(plan.rules));
        GANTRY_CHECK(ensure_bridge(kernel, plan.bridge, &put_away_));
        Ready ready{plan.options.interface, {}, plan.bridge.mtu, {}};
        // Names are served where the host has an address.
        if (!plan.bridge.gateways.empty()) ready.resolver = {without_prefix(plan.bridge.gateways.front())};
        for (const Subnet& subnet : network.subnets) {
            if (!network.internal) GANTRY_CHECK(is_ipv6(subnet.subnet) ? forwarding_.enable6() : forwarding_.enable());
        }
        ready.host_addresses = {plan.options.host_binding};
        // Who binds to one address of the host does not mean to be open on all of the other family.
        if (plan.options.host_binding == "0.0.0.0") ready.host_addresses.push_back("::");
        for (const SubnetRules& subnet : plan.rules.subnets)
            if (subnet.mode == GatewayMode::routed) ready.direct.push_back(is_ipv6(subnet.subnet) ? "::" : "0.0.0.0");
        return ready;
    }

    Result<void> remove(Call&, const Network& network) override {
        GANTRY_TRY(Plan plan, plan_of(network));
        GANTRY_TRY(auto kernel, netlink::Socket::open());
        GANTRY_CHECK(remove_bridge(kernel, plan.bridge, &put_away_));
        GANTRY_CHECK(firewall_->remove_network(plan.rules));
        GANTRY_TRY(auto left, firewall_->bridges());
        if (!left.empty()) return {};
        // After the last one all is as it was before the first.
        GANTRY_CHECK(put_away_.finish());
        if (!firewall_->others_filter()) GANTRY_CHECK(forwarding_.restore());
        return {};
    }

    Result<State> inspect(Call&, const Network& network) override {
        GANTRY_TRY(Plan plan, plan_of(network));
        GANTRY_TRY(auto kernel, netlink::Socket::open());
        GANTRY_TRY(auto link, kernel.find(plan.options.interface));
        GANTRY_TRY(auto known, firewall_->bridges());
        const bool filtered = std::find(known.begin(), known.end(), plan.options.interface) != known.end();
        State state;
        state.more["interface"] = plan.options.interface;
        if (!link && !filtered) return state;
        state.state = link && link->up && filtered ? "ready" : "partial";
        if (!link)
            state.message = "bridge \"" + plan.options.interface + "\" is missing";
        else if (!filtered)
            state.message = "the firewall does not know bridge \"" + plan.options.interface + "\"";
        else if (!link->up)
            state.message = "bridge \"" + plan.options.interface + "\" is down";
        return state;
    }

    Result<Attached> attach(Call&, const Attach& to) override {
        GANTRY_TRY(Plan plan, plan_of(to.network));
        if (to.endpoint.addresses.empty())
            return fail(Code::invalid, "endpoint \"" + to.endpoint.id + "\" has no address");
        if (to.netns < 0)
            return fail(Code::invalid, "endpoint \"" + to.endpoint.id + "\" has no network namespace to attach to");
        GANTRY_TRY(auto kernel, netlink::Socket::open());
        VethSpec spec;
        spec.host_end = host_end(to.endpoint.id);
        spec.interface = to.interface;
        spec.mac = to.endpoint.mac;
        spec.addresses = to.endpoint.addresses;
        if (to.default_gateway && !to.network.internal)
            for (const Subnet& subnet : to.network.subnets)
                if (has_family(to.endpoint.addresses, subnet.gateway)) spec.gateways.push_back(subnet.gateway);
        spec.bridge = plan.options.interface;
        // Whatever the host's way out was when the bridge was made: both ends of it take the same packets.
        GANTRY_TRY(auto bridge, kernel.find(plan.options.interface));
        spec.mtu = bridge ? bridge->mtu : 0;
        spec.rule = plan.options.inter_container ? netlink::PortRule::talks_to_others : netlink::PortRule::isolated;
        spec.netns = to.netns;
        spec.netlink = to.netlink;
        GANTRY_CHECK(attach_veth(host_, kernel, spec));
        Attached attached;
        attached.interface = spec.interface;
        attached.mac = spec.mac;
        for (const std::string& gateway : spec.gateways)
            (is_ipv6(gateway) ? attached.gateway6 : attached.gateway) = gateway;
        attached.host_interface = spec.host_end;
        attached.addresses = spec.addresses;
        attached.mtu = spec.mtu;
        return attached;
    }

    Result<void> detach(Call&, const Detach& from) override {
        if (from.gone) {
            reaper_.expect_gone(host_end(from.endpoint.id));
            return {};
        }
        GANTRY_TRY(auto kernel, netlink::Socket::open());
        return detach_veth(kernel, host_end(from.endpoint.id));
    }

    Result<State> inspect_endpoint(Call&, const Network& network, const Endpoint& endpoint) override {
        GANTRY_TRY(Plan plan, plan_of(network));
        GANTRY_TRY(auto kernel, netlink::Socket::open());
        State state;
        state.more["host_interface"] = host_end(endpoint.id);
        GANTRY_TRY(auto link, kernel.find(host_end(endpoint.id)));
        if (!link) return state;
        GANTRY_TRY(auto master, kernel.find(plan.options.interface));
        const bool whole = link->up && master && link->master == master->index;
        state.state = whole ? "ready" : "partial";
        if (!whole)
            state.message =
                "interface \"" + link->name + "\" is not an active port of \"" + plan.options.interface + "\"";
        return state;
    }

    Result<void> expose(Call&, const Network& network, const Endpoint& endpoint,
                        const std::vector<PublishedPort>& ports) override {
        if (endpoint.addresses.empty()) return fail(Code::invalid, "endpoint \"" + endpoint.id + "\" has no address");
        GANTRY_TRY(const NetworkOptions options, read_options(engine_, network));
        GANTRY_TRY(auto wanted, entries_of(options, endpoint, ports));
        std::vector<std::string> addresses;
        for (const std::string& address : endpoint.addresses) addresses.push_back(without_prefix(address));
        return firewall_->set_ports(addresses, wanted);
    }

    Result<Json> stats(Call&, const Network&, const Endpoint& endpoint) override {
        GANTRY_TRY(auto kernel, netlink::Socket::open());
        GANTRY_TRY(auto link, kernel.find(host_end(endpoint.id)));
        if (!link) return fail(Code::not_found, "interface \"" + host_end(endpoint.id) + "\" is not there");
        // What the host's end sends is what the container receives.
        Json seen = Json::object();
        for (const auto& [name, value] : link->counters)
            seen[(name.starts_with("rx_") ? "tx_" : "rx_") + name.substr(3)] = value;
        return seen;
    }

    // {"boot_id", "objects": {"networks": [NETWORK], "endpoints": [{"network": id, "endpoint": ENDPOINT, "ports": [..]}]}}.
    Result<Answer> reconcile(Call& call, const Json& request) {
        const Json objects = member<Json>(request, "objects", Json::object());
        const auto networks = member<std::vector<Network>>(objects, "networks");
        std::vector<NetworkRules> rules;
        std::map<std::string, const Network*> by_id;
        std::map<std::string, std::string> bridges;  // by mark
        std::set<std::string> host_ends;
        Json ready = Json::array(), failed = Json::array(), orphans = Json::array();
        for (const Network& network : networks) {
            auto plan = plan_of(network);
            if (!plan) {
                failed.push_back({{"id", network.id}, {"message", plan.error().text}});
                continue;
            }
            rules.push_back(plan->rules);
            bridges[plan->bridge.mark] = plan->bridge.name;
            by_id[network.id] = &network;
        }
        std::vector<PortEntry> ports;
        for (const Json& item : member<std::vector<Json>>(objects, "endpoints")) {
            const Endpoint endpoint = member<Endpoint>(item, "endpoint");
            auto network = by_id.find(member<std::string>(item, "network"));
            host_ends.insert(host_end(endpoint.id));
            if (network == by_id.end() || endpoint.addresses.empty()) continue;
            const auto options = read_options(engine_, *network->second);
            if (!options) continue;  // told of with its network
            auto wanted = entries_of(*options, endpoint, member<std::vector<PublishedPort>>(item, "ports"));
            if (!wanted) {
                failed.push_back({{"id", endpoint.id}, {"message", wanted.error().text}});
                continue;
            }
            ports.insert(ports.end(), wanted->begin(), wanted->end());
        }
        GANTRY_CHECK(firewall_->rebuild(rules, ports));
        for (const auto& [id, network] : by_id) {
            auto done = ensure(call, *network);
            if (done)
                ready.push_back(id);
            else
                failed.push_back({{"id", id}, {"message", done.error().text}});
        }
        GANTRY_CHECK(remove_orphans(bridges, host_ends, orphans));
        return Answer(Json{{"ready", ready},
                           {"repaired", Json::array()},
                           {"missing", Json::array()},
                           {"removed_orphans", orphans},
                           {"failed", failed}});
    }

private:
    struct Plan {
        NetworkOptions options;
        BridgeSpec bridge;
        NetworkRules rules;
    };

    // All that follows from the network's description.
    Result<Plan> plan_of(const Network& network) const {
        Plan plan;
        GANTRY_TRY(plan.options, read_options(engine_, network));
        plan.bridge = {plan.options.interface, mark(engine_, network.id), {}, {}, plan.options.mtu, network.internal};
        plan.rules = {
            plan.options.interface, {}, network.internal, plan.options.inter_container, plan.options.masquerade};
        bool four = false, six = false;
        for (const Subnet& subnet : network.subnets) {
            bool& family = is_ipv6(subnet.subnet) ? six : four;
            if (subnet.gateway.empty() || std::exchange(family, true))
                return fail(Code::unsupported,
                            "network \"" + network.name + "\" needs one subnet of a family, with a gateway");
            const std::size_t slash = subnet.subnet.find('/');
            if (slash == std::string::npos)
                return fail(Code::invalid, "subnet \"" + subnet.subnet + "\" has no prefix length");
            if (plan.bridge.station.empty()) plan.bridge.station = subnet.gateway;
            const GatewayMode mode = is_ipv6(subnet.subnet) ? plan.options.gateway_mode6 : plan.options.gateway_mode;
            if (mode != GatewayMode::isolated)
                plan.bridge.gateways.push_back(subnet.gateway + subnet.subnet.substr(slash));
            plan.rules.subnets.push_back({subnet.subnet, mode});
        }
        if (network.subnets.empty())
            return fail(Code::unsupported, "network \"" + network.name + "\" needs a subnet with a gateway");
        return plan;
    }

    // Every port with the endpoint's address that it leads to.
    static Result<std::vector<PortEntry>> entries_of(const NetworkOptions& options, const Endpoint& endpoint,
                                                     const std::vector<PublishedPort>& ports) {
        std::vector<PortEntry> entries;
        for (const PublishedPort& port : ports) {
            if (port.protocol != "tcp" && port.protocol != "udp" && port.protocol != "sctp")
                return fail(Code::invalid, "protocol \"" + port.protocol + "\" of a published port");
            if (port.container_port == 0) return fail(Code::invalid, "a published port without a number");
            const auto to = std::find_if(
                endpoint.addresses.begin(), endpoint.addresses.end(),
                [&](const std::string& address) { return is_ipv6(address) == is_ipv6(port.host_address); });
            if (to == endpoint.addresses.end())
                return fail(Code::unsupported, "port on address \"" + port.host_address +
                                                   "\": the endpoint has no address of this family");
            const GatewayMode mode = is_ipv6(*to) ? options.gateway_mode6 : options.gateway_mode;
            if ((mode == GatewayMode::routed) != (port.host_port == 0))
                return fail(Code::invalid, "host port \"" + std::to_string(port.host_port) + "\" of port " +
                                               std::to_string(port.container_port) + "/" + port.protocol +
                                               (port.host_port == 0 ? " is no number" : ", where none is used"));
            entries.push_back({port, without_prefix(*to)});
        }
        return entries;
    }

    // Bridges with the engine's mark that no network has any more, and ports of ours that no endpoint has. `wanted`: by mark.
    Result<void> remove_orphans(const std::map<std::string, std::string>& wanted,
                                const std::set<std::string>& host_ends, Json& removed) {
        GANTRY_TRY(auto kernel, netlink::Socket::open());
        GANTRY_TRY(auto bridges, kernel.list("bridge"));
        for (const netlink::Link& bridge : bridges) {
            if (!bridge.alias.starts_with(mark(engine_, ""))) continue;
            GANTRY_TRY(auto ports, kernel.ports(bridge.index));
            for (const netlink::Link& port : ports)
                if (port.name.starts_with("gv-") && !host_ends.contains(port.name)) {
                    GANTRY_CHECK(detach_veth(kernel, port.name));
                    removed.push_back(port.name);
                }
            // One that was put away still has the mark of its network, which has got another bridge by now.
            const auto known = wanted.find(bridge.alias);
            if (known != wanted.end() && (known->second == bridge.name || !PutAway::is_name(bridge.name))) continue;
            GANTRY_CHECK(detach_veth(kernel, bridge.name));
            removed.push_back(bridge.name);
        }
        return {};
    }

    void restore_rules() {
        auto restored = firewall_->restore();
        host_.log(
            LogLevel::warn,
            restored ? "somebody took rules out of the table \"" + firewall_->table() + "\": they are back"
                     : "somebody took rules out of the table \"" + firewall_->table() + "\": " + restored.error().text);
    }

    Host host_;
    const std::string engine_;
    Forwarding forwarding_;
    std::unique_ptr<Firewall> firewall_;
    Reaper reaper_;
    PutAway put_away_{[this](const Error& error) { host_.log(LogLevel::warn, error.text); }};
    std::unique_ptr<Watcher> watcher_;  // last: it calls the rest
};

}  // namespace
}  // namespace gantry::bridge

GANTRY_NETWORK_DRIVER(gantry::bridge::BridgeDriver, "bridge", "1.0.0")
