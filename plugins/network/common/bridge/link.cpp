#include "plugins/network/common/bridge/link.hpp"

#include <arpa/inet.h>
#include <sched.h>
#include <time.h>

#include <algorithm>
#include <cstdio>

#include "plugins/network/common/bridge/rules.hpp"
#include "plugins/network/common/sysctl.hpp"

namespace gantry::bridge {
namespace {

constexpr int loopback_index = 1;
constexpr int leaving_ports_patience_ms = 1000;
constexpr int running_patience_ms = 1000;

bool has_ipv6(const std::vector<std::string>& addresses) {
    return std::any_of(addresses.begin(), addresses.end(), is_ipv6);
}

// As Docker gives them: from the address, so that a bridge keeps its own whatever ports come and go. Of an IPv6 address,
// from its last four bytes.
std::string mac_of(const std::string& prefix) {
    in6_addr address{};
    const bool six = is_ipv6(prefix);
    ::inet_pton(six ? AF_INET6 : AF_INET, prefix.substr(0, prefix.find('/')).c_str(), &address);
    const unsigned char* b = address.s6_addr + (six ? 12 : 0);
    char text[18];
    std::snprintf(text, sizeof text, "02:42:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3]);
    return text;
}

Result<void> ours(const netlink::Link& link, const BridgeSpec& spec) {
    if (link.kind != "bridge")
        return fail(Code::conflict, "interface \"" + spec.name + "\" is there and is not a bridge");
    // A bridge without a mark is one that an interrupted ensure left under a name that only we give.
    const bool unmarked = link.alias.empty() && (spec.name.starts_with("gb-") || spec.name == "gantry0");
    if (link.alias != spec.mark && !unmarked)
        return fail(Code::conflict, "bridge \"" + spec.name + "\" is there and belongs to someone else");
    return {};
}

// In the namespace of the calling thread. Without duplicate address detection: as long as a link-local address is
// tentative, nothing that comes from elsewhere finds its way by the interface.
Result<void> start_ipv6(const std::string& interface) {
    GANTRY_CHECK(netlink::write_sysctl("ipv6/conf/" + interface + "/accept_dad", "0"));
    return netlink::write_sysctl("ipv6/conf/" + interface + "/disable_ipv6", "0");
}

Result<void> configure(const BridgeSpec& spec) {
    // Before the bridge is up: an address of the link-local kind would be there in an instant.
    const bool six = has_ipv6(spec.gateways);
    GANTRY_CHECK(
        six ? start_ipv6(spec.name)
            : netlink::write_sysctl("ipv6/conf/" + spec.name + "/disable_ipv6", "1", netlink::Missing::is_fine));
    GANTRY_CHECK(netlink::write_sysctl("ipv6/conf/" + spec.name + "/accept_ra", "0", netlink::Missing::is_fine));
    // Lets 127.0.0.1:PORT of the host lead into this bridge; the firewall drops what comes the other way.
    return netlink::write_sysctl("ipv4/conf/" + spec.name + "/route_localnet", spec.internal ? "0" : "1");
}

}  // namespace

Result<int> ensure_bridge(netlink::Socket& host, const BridgeSpec& spec, PutAway* put_away) {
    GANTRY_TRY(auto link, host.find(spec.name));
    if (link) GANTRY_CHECK(ours(*link, spec));
    if (!link && put_away) {
        GANTRY_TRY(link, put_away->take(host, spec.name, mac_of(spec.station), spec.mtu, spec.mark));
    }
    if (!link) {
        netlink::Batch make;
        make.add_bridge(spec.name, mac_of(spec.station), spec.mtu);
        GANTRY_CHECK(host.send(std::move(make)));
        GANTRY_TRY(link, host.find(spec.name));
        if (!link) return fail(Code::internal, "bridge \"" + spec.name + "\" is gone as soon as it was made");
    }
    GANTRY_CHECK(configure(spec));
    netlink::Batch start;
    start.set_alias(link->index, spec.mark);
    for (const std::string& gateway : spec.gateways) start.add_address(link->index, gateway);
    start.set_up(link->index);
    GANTRY_CHECK(host.send(std::move(start)).context("bridge \"" + spec.name + "\""));
    return link->index;
}

Result<void> remove_bridge(netlink::Socket& host, const BridgeSpec& spec, PutAway* put_away) {
    GANTRY_TRY(auto link, host.find(spec.name));
    if (!link) return {};
    GANTRY_CHECK(ours(*link, spec));
    for (int waited = 0;; waited += 10) {
        GANTRY_TRY(auto ports, host.ports(link->index));
        if (ports.empty()) break;
        if (waited >= leaving_ports_patience_ms)
            return fail(Code::busy, "bridge \"" + spec.name + "\" still has " + std::to_string(ports.size()) +
                                        " ports, one is \"" + ports.front().name + "\"");
        const timespec pause{0, 10'000'000};
        ::nanosleep(&pause, nullptr);
    }
    if (put_away) return put_away->add(host, *link);
    netlink::Batch remove;
    remove.remove_link(spec.name);
    auto removed = host.send(std::move(remove));
    if (!removed && removed.error().code != Code::not_found) return removed;
    return {};
}

Result<void> attach_veth(const Host& driver_host, netlink::Socket& host, const VethSpec& spec) {
    GANTRY_TRY(netlink::Socket inside, spec.netlink >= 0
                                           ? netlink::Socket::over(spec.netlink)
                                           : driver_host.in_netns(spec.netns, [] { return netlink::Socket::open(); }));
    GANTRY_TRY(auto bridge, host.find(spec.bridge));
    if (!bridge || bridge->kind != "bridge")
        return fail(Code::not_found, "bridge \"" + spec.bridge + "\" is not there");

    netlink::Batch outside;
    outside.add_veth(spec.host_end, spec.interface, spec.mac, spec.mtu, bridge->index, spec.netns);
    outside.start_port(spec.host_end, spec.rule);
    auto made = host.send(std::move(outside));
    // EEXIST: this very pair from an earlier call, or another's of one of the names, which is not ours to remove.
    bool created = made || made.error().system_errno != EEXIST;
    ScopeGuard undo([&] {
        if (created) (void)detach_veth(host, spec.host_end);
    });
    if (!made && created) return made;
    GANTRY_TRY(auto there, inside.find(spec.interface));
    if (!created) {
        if (!there) return made;
        if (there->mac != spec.mac)
            return fail(Code::conflict, "interface \"" + spec.interface + "\" is in the sandbox already");
        netlink::Batch again;
        again.start_port(spec.host_end, spec.rule);
        GANTRY_CHECK(host.send(std::move(again)));
    }
    if (!there) return fail(Code::internal, "interface \"" + spec.interface + "\" did not appear in the sandbox");

    // Interfaces of a sandbox have IPv6 only where they have an address of it.
    if (has_ipv6(spec.addresses))
        GANTRY_CHECK(driver_host.in_netns(spec.netns, [&] { return start_ipv6(spec.interface); }));
    netlink::Batch addresses;
    addresses.set_up(loopback_index);
    if (!there->up) addresses.set_up(there->index);
    for (const std::string& address : spec.addresses) addresses.add_address(there->index, address);
    for (const std::string& gateway : spec.gateways) addresses.set_default_route(there->index, gateway);
    GANTRY_CHECK(inside.send(std::move(addresses)).context("interface \"" + spec.interface + "\""));
    // The port first: its bridge has a carrier only when one of its ports runs. The kernel tells each end of its carrier by
    // itself, some time after, and until then drops what is sent from there.
    auto wait = [&](netlink::Socket& where, const std::string& name) {
        if (auto running = where.wait_running(name, running_patience_ms); !running)
            driver_host.log(LogLevel::warn, running.error().text + ": the first packets may be lost");
    };
    wait(host, spec.host_end);
    wait(host, spec.bridge);
    wait(inside, spec.interface);
    if (auto heard = inside.wait_solicited(there->index, spec.addresses, running_patience_ms); !heard)
        driver_host.log(LogLevel::warn, heard.error().text + ": the first packets may be lost");
    undo.dismiss();
    return {};
}

Result<void> detach_veth(netlink::Socket& host, const std::string& host_end) {
    netlink::Batch remove;
    remove.remove_link(host_end);
    auto removed = host.send(std::move(remove));
    if (!removed && removed.error().code != Code::not_found) return removed;
    return {};
}

}  // namespace gantry::bridge
