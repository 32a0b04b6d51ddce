// Networks that span hosts: VXLAN between them, each host's containers on a bridge of its own. Who is where, stands in etcd
// or in documents.
#include <gantry/network.hpp>

#include <net/if.h>
#include <unistd.h>

#include <memory>
#include <set>

#include "plugins/network/common/bridge/firewall.hpp"
#include "plugins/network/common/bridge/forwarding.hpp"
#include "plugins/network/common/bridge/reaper.hpp"
#include "plugins/network/common/bridge/watcher.hpp"
#include "plugins/network/overlay/overlay.hpp"

namespace gantry::overlay {
namespace {

std::string without_prefix(const std::string& address) { return address.substr(0, address.find('/')); }

class OverlayDriver final : public NetworkDriver {
public:
    static constexpr bool offers_expose = true;
    static constexpr bool offers_stats = true;
    static constexpr bool offers_ipam = true;
    static constexpr bool offers_peers = true;

    static Json describe() {
        return {{"summary", "one network over several hosts (VXLAN), agreed on through etcd or documents"},
                {"abilities", {"expose", "stats", "internal", "ipam", "peers"}},
                {"options", driver_options()},
                {"object_options", object_options()}};
    }

    static Result<std::unique_ptr<OverlayDriver>> create(Host host, const DriverConfig& config) {
        // A table of its own: the engine's other drivers rebuild theirs as they know it.
        GANTRY_TRY(auto firewall, bridge::Firewall::create(config.engine + "-overlay"));
        auto driver = std::make_unique<OverlayDriver>(host, config, std::move(firewall));
        GANTRY_TRY(driver->watcher_, bridge::Watcher::create(driver->firewall_->table(),
                                                             [self = driver.get()] { self->restore_rules(); }));
        return driver;
    }

    OverlayDriver(Host host, const DriverConfig& config, std::unique_ptr<bridge::Firewall> firewall)
        : host_(host),
          options_(DriverOptions::read(config.options)),
          services_{config.engine, config.root,
                    [host](LogLevel level, const std::string& text) { host.log(level, text); },
                    [host](const std::string& network) {
                        host.event({{"type", "network.peers"}, {"id", network}});
                    }},
          forwarding_(config.run),
          firewall_(std::move(firewall)) {}

    Result<Ready> ensure(Call&, const Network& network) override {
        GANTRY_TRY(auto overlay, overlay_of(network));
        // Rules first: the bridge is never up without them.
        GANTRY_CHECK(firewall_->ensure_network(rules_of(network)));
        GANTRY_CHECK(overlay->ensure(network));
        if (!network.internal) GANTRY_CHECK(forwarding_.enable());
        return Ready{bridge_name(network.id), {network.subnets.front().gateway}, overlay->mtu(), {"0.0.0.0"}};
    }

    Result<void> remove(Call&, const Network& network) override {
        auto overlay = overlay_of(network);
        if (overlay) {
            GANTRY_CHECK((*overlay)->remove(network));
        } else {
            // What its hosts agreed on cannot be read any more; here it can be removed all the same.
            GANTRY_CHECK(Overlay::remove_devices(services_, network));
        }
        {
            std::lock_guard lock(mutex_);
            overlays_.erase(network.id);
        }
        GANTRY_CHECK(firewall_->remove_network(rules_of(network)));
        GANTRY_TRY(auto left, firewall_->bridges());
        if (left.empty() && !firewall_->others_filter()) GANTRY_CHECK(forwarding_.restore());
        return {};
    }

    Result<State> inspect(Call&, const Network& network) override {
        GANTRY_TRY(auto overlay, overlay_of(network));
        GANTRY_TRY(State state, overlay->state(network));
        if (state.state != "ready") return state;
        GANTRY_TRY(auto known, firewall_->bridges());
        if (std::find(known.begin(), known.end(), bridge_name(network.id)) == known.end()) {
            state.state = "partial";
            state.message = "the firewall does not know bridge \"" + bridge_name(network.id) + "\"";
        }
        return state;
    }

    Result<Attached> attach(Call&, const Attach& to) override {
        if (to.endpoint.addresses.empty())
            return fail(Code::invalid, "endpoint \"" + to.endpoint.id + "\" has no address");
        if (to.netns < 0)
            return fail(Code::invalid, "endpoint \"" + to.endpoint.id + "\" has no network namespace to attach to");
        GANTRY_TRY(auto overlay, overlay_of(to.network));
        if (overlay->mtu() == 0) GANTRY_CHECK(overlay->ensure(to.network));
        GANTRY_TRY(auto kernel, netlink::Socket::open());
        bridge::VethSpec spec;
        spec.host_end = host_end(to.endpoint.id);
        spec.interface = to.interface;
        spec.mac = to.endpoint.mac;
        spec.addresses = to.endpoint.addresses;
        if (to.default_gateway && !to.network.internal) spec.gateways = {to.network.subnets.front().gateway};
        spec.bridge = bridge_name(to.network.id);
        spec.mtu = overlay->mtu();
        spec.netns = to.netns;
        spec.netlink = to.netlink;
        GANTRY_CHECK(attach_veth(host_, kernel, spec));
        overlay->add(to.endpoint);
        Attached attached;
        attached.interface = spec.interface;
        attached.mac = spec.mac;
        if (!spec.gateways.empty()) attached.gateway = spec.gateways.front();
        attached.host_interface = spec.host_end;
        attached.addresses = spec.addresses;
        attached.mtu = spec.mtu;
        return attached;
    }

    Result<void> detach(Call&, const Detach& from) override {
        if (auto overlay = find(from.network.id)) overlay->remove_endpoint(from.endpoint.id);
        if (from.gone) {
            reaper_.expect_gone(host_end(from.endpoint.id));
            return {};
        }
        GANTRY_TRY(auto kernel, netlink::Socket::open());
        return bridge::detach_veth(kernel, host_end(from.endpoint.id));
    }

    Result<State> inspect_endpoint(Call&, const Network& network, const Endpoint& endpoint) override {
        GANTRY_TRY(auto kernel, netlink::Socket::open());
        State state;
        state.more["host_interface"] = host_end(endpoint.id);
        GANTRY_TRY(auto link, kernel.find(host_end(endpoint.id)));
        if (!link) return state;
        GANTRY_TRY(auto master, kernel.find(bridge_name(network.id)));
        const bool whole = link->up && master && link->master == master->index;
        state.state = whole ? "ready" : "partial";
        if (!whole)
            state.message =
                "interface \"" + link->name + "\" is not an active port of \"" + bridge_name(network.id) + "\"";
        return state;
    }

    Result<void> expose(Call&, const Network&, const Endpoint& endpoint,
                        const std::vector<PublishedPort>& ports) override {
        if (endpoint.addresses.empty()) return fail(Code::invalid, "endpoint \"" + endpoint.id + "\" has no address");
        GANTRY_CHECK(check_ports(ports));
        const std::string address = without_prefix(endpoint.addresses.front());
        std::vector<bridge::PortEntry> wanted;
        for (const PublishedPort& port : ports) wanted.push_back({port, address});
        return firewall_->set_ports({address}, wanted);
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

    Result<std::vector<Subnet>> agree(Call&, const Network& network, bool fixed) override {
        GANTRY_TRY(auto overlay, overlay_of(network));
        auto facts = overlay->join(network, fixed);
        if (!facts) {
            std::lock_guard lock(mutex_);
            overlays_.erase(network.id);
            return std::move(facts).error();
        }
        return std::vector<Subnet>{{facts->subnet.text(), show(facts->gateway)}};
    }

    Result<Ranges> ranges(Call&, const Network& network, bool more) override {
        GANTRY_TRY(auto overlay, overlay_of(network));
        GANTRY_TRY(auto found, overlay->source().ranges(more));
        Ranges answer;
        for (const Block& block : found.blocks) answer.ranges.push_back(block.text());
        for (std::uint32_t address : found.except) answer.except.push_back(show(address));
        return answer;
    }

    Result<void> claim(Call&, const Network& network, const std::string& text) override {
        auto address = parse_address(text);
        if (!address) return fail(Code::invalid, "\"" + text + "\" is not an IPv4 address");
        GANTRY_TRY(auto overlay, overlay_of(network));
        return overlay->source().claim(*address);
    }

    Result<void> release(Call&, const Network& network, const std::string& text) override {
        auto address = parse_address(text);
        if (!address) return fail(Code::invalid, "\"" + text + "\" is not an IPv4 address");
        GANTRY_TRY(auto overlay, overlay_of(network));
        overlay->source().release(*address);
        return {};
    }

    Result<Json> peers(Call&, const Network& network) override {
        // Not opened for this: it may just have been removed.
        auto overlay = find(network.id);
        if (!overlay) return fail(Code::not_found, "network \"" + network.name + "\" is not in use on this host");
        return overlay->peers();
    }

    Result<void> announce(Call&, const Network& network, const Endpoint& endpoint) override {
        if (endpoint.addresses.empty()) return fail(Code::invalid, "endpoint \"" + endpoint.id + "\" has no address");
        GANTRY_TRY(auto overlay, overlay_of(network));
        overlay->add(endpoint);
        return {};
    }

    // {"boot_id", "objects": {"networks": [NETWORK], "endpoints": [{"network": id, "endpoint": ENDPOINT, "ports": [..]}]}}.
    Result<Answer> reconcile(Call& call, const Json& request) {
        const Json objects = member<Json>(request, "objects", Json::object());
        const auto networks = member<std::vector<Network>>(objects, "networks");
        std::map<std::string, std::vector<Endpoint>> endpoints;
        std::set<std::string> marks, host_ends;
        std::vector<bridge::NetworkRules> rules;
        std::vector<bridge::PortEntry> ports;
        Json ready = Json::array(), failed = Json::array(), orphans = Json::array();
        for (const Json& item : member<std::vector<Json>>(objects, "endpoints")) {
            const Endpoint endpoint = member<Endpoint>(item, "endpoint");
            host_ends.insert(host_end(endpoint.id));
            if (endpoint.addresses.empty()) continue;
            endpoints[member<std::string>(item, "network")].push_back(endpoint);
            for (PublishedPort& port : member<std::vector<PublishedPort>>(item, "ports"))
                ports.push_back({std::move(port), without_prefix(endpoint.addresses.front())});
        }
        for (const Network& network : networks) {
            marks.insert(mark(services_.engine, network.id));
            if (!network.subnets.empty()) rules.push_back(rules_of(network));
        }
        GANTRY_CHECK(firewall_->rebuild(rules, ports));
        for (const Network& network : networks) {
            auto overlay = overlay_of(network);
            // Told first: what ensure() then hears from other hosts does not lead away from what is here.
            if (overlay) (*overlay)->set(endpoints[network.id]);
            auto done = overlay ? ensure(call, network) : Result<Ready>(std::move(overlay).error());
            if (done)
                ready.push_back(network.id);
            else
                failed.push_back({{"id", network.id}, {"message", done.error().text}});
        }
        GANTRY_CHECK(remove_orphans(marks, host_ends, orphans));
        return Answer(Json{{"ready", ready},
                           {"repaired", Json::array()},
                           {"missing", Json::array()},
                           {"removed_orphans", orphans},
                           {"failed", failed}});
    }

private:
    std::shared_ptr<Overlay> find(const std::string& id) {
        std::lock_guard lock(mutex_);
        auto found = overlays_.find(id);
        return found == overlays_.end() ? nullptr : found->second;
    }

    // The network, opened when it is first asked for. The engine sends one call at a time for each.
    Result<std::shared_ptr<Overlay>> overlay_of(const Network& network) {
        if (auto known = find(network.id)) return known;
        GANTRY_TRY(NetworkOptions options, read_options(options_, network));
        if (options.encrypted) GANTRY_CHECK(require_wireguard(network.name));
        GANTRY_TRY(auto opened, Overlay::open(services_, network, std::move(options)));
        std::shared_ptr<Overlay> overlay = std::move(opened);
        std::lock_guard lock(mutex_);
        overlays_[network.id] = overlay;
        return overlay;
    }

    // Never made without encryption instead.
    static Result<void> require_wireguard(const std::string& network) {
        const std::string what = "network \"" + network + "\": option \"encrypted\"";
        const std::string name = "gw-try" + std::to_string(::getpid() % 1000000);
        GANTRY_TRY(auto kernel, netlink::Socket::open());
        netlink::Batch make;
        make.add_link(name, "wireguard");
        auto made = kernel.send(std::move(make));
        if (!made && made.error().code == Code::unsupported)
            return fail(Code::unsupported, what + " needs WireGuard, which this kernel has not");
        if (!made) return std::move(made).error().context(what + ": WireGuard");
        return bridge::detach_veth(kernel, name);
    }

    static bridge::NetworkRules rules_of(const Network& network) {
        bridge::NetworkRules rules;
        rules.bridge = bridge_name(network.id);
        for (const Subnet& subnet : network.subnets) rules.subnets.push_back({subnet.subnet});
        rules.internal = network.internal;
        return rules;
    }

    static Result<void> check_ports(const std::vector<PublishedPort>& ports) {
        for (const PublishedPort& port : ports) {
            if (port.protocol != "tcp" && port.protocol != "udp" && port.protocol != "sctp")
                return fail(Code::invalid, "protocol \"" + port.protocol + "\" of a published port");
            if (port.host_port == 0 || port.container_port == 0)
                return fail(Code::invalid, "a published port without a number");
            if (port.host_address.find(':') != std::string::npos)
                return fail(Code::unsupported,
                            "port on IPv6 address \"" + port.host_address + "\": this network has IPv4 only");
        }
        return {};
    }

    // Bridges, VXLAN and WireGuard devices with the engine's mark that no network has any more, and ports that no endpoint has.
    Result<void> remove_orphans(const std::set<std::string>& marks, const std::set<std::string>& host_ends,
                                Json& removed) {
        GANTRY_TRY(auto kernel, netlink::Socket::open());
        const std::string ours = mark(services_.engine, "");
        GANTRY_TRY(auto bridges, kernel.list("bridge"));
        for (const netlink::Link& link : bridges) {
            if (!link.alias.starts_with(ours)) continue;
            GANTRY_TRY(auto ports, kernel.ports(link.index));
            for (const netlink::Link& port : ports)
                if (port.name.starts_with("gv-") && !host_ends.contains(port.name)) {
                    GANTRY_CHECK(bridge::detach_veth(kernel, port.name));
                    removed.push_back(port.name);
                }
            if (marks.contains(link.alias)) continue;
            GANTRY_CHECK(bridge::detach_veth(kernel, link.name));
            removed.push_back(link.name);
        }
        for (const char* device : {"vxlan", "wireguard"}) {
            GANTRY_TRY(auto devices, kernel.list(device));
            for (const netlink::Link& link : devices) {
                if (!link.alias.starts_with(ours)) continue;
                const std::string network = link.alias.substr(0, link.alias.find(':', ours.size()));
                if (marks.contains(network)) continue;
                GANTRY_CHECK(bridge::detach_veth(kernel, link.name));
                removed.push_back(link.name);
            }
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
    const DriverOptions options_;
    const Overlay::Services services_;
    bridge::Forwarding forwarding_;
    std::unique_ptr<bridge::Firewall> firewall_;
    bridge::Reaper reaper_;
    std::mutex mutex_;
    std::map<std::string, std::shared_ptr<Overlay>> overlays_;
    std::unique_ptr<bridge::Watcher> watcher_;  // last: it calls the rest
};

}  // namespace
}  // namespace gantry::overlay

GANTRY_NETWORK_DRIVER(gantry::overlay::OverlayDriver, "overlay", "1.0.0")
