#include "plugins/network/overlay/tunnel.hpp"

#include <errno.h>
#include <unistd.h>

#include <algorithm>

#include <gantry/driver.hpp>

#include "plugins/network/common/bridge/link.hpp"
#include "plugins/network/common/sysctl.hpp"

namespace gantry::overlay {
namespace {

constexpr int link_local_length = 64;

}  // namespace

Result<void> Tunnel::make(netlink::Socket& host) {
    netlink::Batch make;
    make.add_link(spec_.name, "wireguard");
    auto made = host.send(std::move(make));
    if (!made && made.error().code == Code::unsupported)
        return fail(Code::unsupported, "WireGuard is not in this kernel");
    GANTRY_CHECK(std::move(made));
    GANTRY_TRY(auto link, host.find(spec_.name));
    if (!link) return fail(Code::internal, "device \"" + spec_.name + "\" is gone as soon as it was made");
    netlink::Batch mark;
    mark.set_alias(link->index, spec_.mark);
    return host.send(std::move(mark));
}

// Its port is taken when it is set up.
Result<void> Tunnel::start(netlink::Socket& host, const netlink::Link& link) {
    GANTRY_TRY(auto wireguard, netlink::Wireguard::open());
    netlink::WireguardChange keys;
    keys.private_key = spec_.keys.secret;
    if (!link.up) keys.port = spec_.port != 0 ? spec_.port : spec_.keys.port;
    GANTRY_CHECK(wireguard.change(spec_.name, keys));
    if (!link.up) {
        auto begin = [&] {
            netlink::Batch batch;
            batch.set_up(link.index);
            return host.send(std::move(batch));
        };
        auto begun = begin();
        // The last one may be somebody else's by now; one that the user named is not given up.
        if (!begun && begun.error().system_errno == EADDRINUSE && spec_.port == 0) {
            netlink::WireguardChange another;
            another.port = 0;
            GANTRY_CHECK(wireguard.change(spec_.name, another));
            begun = begin();
        }
        if (!begun && begun.error().system_errno == EADDRINUSE)
            return fail(Code::conflict, "option \"wireguard_port\": UDP port " + std::to_string(spec_.port) +
                                            " of this host is in use already");
        GANTRY_CHECK(std::move(begun));
    }
    // IPv6 may be off for links that nobody asked it for.
    if (auto on = netlink::write_sysctl("ipv6/conf/" + spec_.name + "/disable_ipv6", "0"); !on)
        return std::move(on).error().context("between hosts an encrypted network needs IPv6");
    GANTRY_TRY(const auto public_key, public_key_of(spec_.keys.secret));
    netlink::Batch address;
    address.add_address(link.index, tunnel_address(public_key) + "/" + std::to_string(link_local_length));
    GANTRY_CHECK(host.send(std::move(address)));
    GANTRY_TRY(const auto state, wireguard.state(spec_.name));
    port_ = state.port;
    return {};
}

Result<int> Tunnel::ensure(netlink::Socket& host) {
    GANTRY_TRY(auto link, host.find(spec_.name));
    if (link && (link->kind != "wireguard" || !(link->alias.empty() || link->alias == spec_.mark)))
        return fail(Code::conflict, "interface \"" + spec_.name + "\" is there and belongs to someone else");
    // Without a mark: made by an engine that was killed before it came further.
    if (link && link->alias.empty()) {
        GANTRY_CHECK(bridge::detach_veth(host, spec_.name));
        link.reset();
    }
    if (!link) {
        GANTRY_CHECK(make(host));
        GANTRY_TRY(link, host.find(spec_.name));
        if (!link) return fail(Code::internal, "device \"" + spec_.name + "\" is gone as soon as it was made");
    }
    if (link->mtu != spec_.mtu) {
        netlink::Batch batch;
        batch.set_mtu(link->index, spec_.mtu);
        GANTRY_CHECK(host.send(std::move(batch)));
    }
    GANTRY_CHECK(start(host, *link).context("WireGuard device \"" + spec_.name + "\""));
    if (spec_.keys.port != port_) {
        spec_.keys.port = port_;
        GANTRY_CHECK(keep_tunnel_keys(spec_.directory, spec_.network, spec_.keys));
    }
    return link->index;
}

Result<void> Tunnel::apply(const std::vector<Peer>& peers, bool settled) {
    GANTRY_TRY(auto wireguard, netlink::Wireguard::open());
    GANTRY_TRY(const auto state, wireguard.state(spec_.name));
    std::map<netlink::WireguardKey, netlink::WireguardPeer> wanted;
    for (const Peer& peer : peers) {
        auto key = peer.tunnel ? parse_key(peer.tunnel->key) : std::nullopt;
        if (!key) continue;
        wanted[*key] = {*key, peer.vtep, peer.tunnel->port, tunnel_address(*key) + "/128", 0};
    }
    netlink::WireguardChange change;
    for (const netlink::WireguardPeer& there : state.peers) {
        auto found = wanted.find(there.key);
        if (found == wanted.end()) {
            if (settled) change.remove.push_back(there.key);
        } else if (found->second.same_place(there)) {
            wanted.erase(found);
        }
    }
    for (auto& [key, peer] : wanted) change.set.push_back(std::move(peer));
    return wireguard.change(spec_.name, change);
}

std::vector<Peer> behind_tunnel(std::vector<Peer> peers) {
    std::erase_if(peers, [](const Peer& peer) { return !peer.tunnel || !parse_key(peer.tunnel->key); });
    for (Peer& peer : peers) peer.vtep = tunnel_address(*parse_key(peer.tunnel->key));
    return peers;
}

}  // namespace gantry::overlay
