#include "plugins/network/overlay/data_plane.hpp"

#include <time.h>

namespace gantry::overlay {
namespace {

// Each is acknowledged by a message of its own, and the socket must hold the answers of a batch.
constexpr std::size_t changes_per_batch = 64;
constexpr std::size_t most_ahead = 16'384;
constexpr int leaving_ports_patience_ms = 1000;

using netlink::Neighbour;
using netlink::Table;

// Changes in batches of a size the socket can bear. The first failure is given; the others go on.
class Changes {
public:
    // `tunnel`: the link through which other hosts are reached, 0 where that is anybody's.
    Changes(netlink::Socket& host, int index, int tunnel) : host_(host), index_(index), tunnel_(tunnel) {}
    void set(Table table, Neighbour entry) {
        if (table == Table::forwarding) entry.link = tunnel_;
        batch_.set_neighbour(index_, table, entry);
        count();
    }
    void remove(Table table, Neighbour entry) {
        if (table == Table::forwarding) entry.link = tunnel_;
        batch_.remove_neighbour(index_, table, entry);
        count();
    }
    Result<void> finish() {
        flush();
        return std::move(result_);
    }

private:
    void count() {
        if (++waiting_ == changes_per_batch) flush();
    }
    void flush() {
        auto sent = host_.send(std::exchange(batch_, netlink::Batch()));
        // Gone already is what a removal wants.
        if (!sent && sent.error().code != Code::not_found && result_) result_ = std::move(sent);
        waiting_ = 0;
    }
    netlink::Socket& host_;
    const int index_, tunnel_;
    netlink::Batch batch_;
    std::size_t waiting_ = 0;
    Result<void> result_;
};

// What leads to a MAC, of all addresses that have it.
std::map<std::string, std::string> forwarding_of(const Places& places) {
    std::map<std::string, std::string> by_mac;
    for (const auto& [address, place] : places) by_mac[place.mac] = place.vtep;
    return by_mac;
}

}  // namespace

Places places_of(const std::vector<Peer>& peers, const std::set<std::uint32_t>& own) {
    Places places;
    for (const Peer& peer : peers)
        for (const Member& member : peer.members)
            if (!own.contains(member.address)) places[member.address] = {member.mac, peer.vtep};
    std::size_t ahead = 0;
    for (const Peer& peer : peers)
        for (const Block& block : peer.blocks)
            for (std::uint64_t n = block.base; n <= block.last() && ahead < most_ahead; ++n) {
                const auto address = static_cast<std::uint32_t>(n);
                if (!own.contains(address) && places.try_emplace(address, Place{mac_of(address), peer.vtep}).second)
                    ++ahead;
            }
    return places;
}

Result<int> DataPlane::ensure_devices(netlink::Socket& host) {
    GANTRY_TRY(const int bridge, bridge::ensure_bridge(host, spec_.bridge));
    if (tunnel_) {
        GANTRY_TRY(tunnel_index_, tunnel_->ensure(host));
    }
    // All that a device cannot change later stands in its mark.
    const std::string own_mark = spec_.bridge.mark + ":" + std::to_string(spec_.vxlan.id) + ":" + spec_.vxlan.local +
                                 ":" + std::to_string(spec_.vxlan.port) + ":" + std::to_string(spec_.vxlan.mtu);
    GANTRY_TRY(auto link, host.find(spec_.vxlan.name));
    if (link && (link->kind != "vxlan" || !(link->alias.empty() || link->alias.starts_with(spec_.bridge.mark))))
        return fail(Code::conflict, "interface \"" + spec_.vxlan.name + "\" is there and belongs to someone else");
    if (link && (link->alias != own_mark || link->master != bridge)) {
        GANTRY_CHECK(bridge::detach_veth(host, spec_.vxlan.name));
        link.reset();
    }
    if (!link) {
        known_is_true_ = false;
        netlink::Batch make;
        netlink::Vxlan vxlan = spec_.vxlan;
        vxlan.master = bridge;
        vxlan.link = tunnel_index_;
        make.add_vxlan(vxlan);
        auto made = host.send(std::move(make));
        if (!made && made.error().system_errno == EEXIST)
            return fail(Code::conflict, "another VXLAN device of this host has the number " + std::to_string(vxlan.id) +
                                            " on port " + std::to_string(vxlan.port) + " already");
        GANTRY_CHECK(std::move(made));
        GANTRY_TRY(link, host.find(spec_.vxlan.name));
        if (!link) return fail(Code::internal, "device \"" + spec_.vxlan.name + "\" is gone as soon as it was made");
        netlink::Batch start;
        start.start_port(spec_.vxlan.name, netlink::PortRule::talks_to_others);
        start.set_alias(link->index, own_mark);
        GANTRY_CHECK(host.send(std::move(start)));
    } else if (!link->up) {
        netlink::Batch start;
        start.set_up(link->index);
        GANTRY_CHECK(host.send(std::move(start)));
    }
    return link->index;
}

Result<void> DataPlane::ensure() {
    std::lock_guard lock(mutex_);
    GANTRY_TRY(auto host, netlink::Socket::open());
    GANTRY_TRY([[maybe_unused]] const int index, ensure_devices(host));
    return {};
}

std::optional<TunnelEnd> DataPlane::tunnel_end() {
    std::lock_guard lock(mutex_);
    return tunnel_ ? std::optional(tunnel_->end()) : std::nullopt;
}

Result<void> DataPlane::apply(const Places& wanted, const std::vector<Peer>& peers, bool whole, bool settled) {
    std::lock_guard lock(mutex_);
    GANTRY_TRY(auto host, netlink::Socket::open());
    int index = 0;
    if (!whole && known_is_true_) {
        GANTRY_TRY(auto link, host.find(spec_.vxlan.name));
        if (link) index = link->index;
    }
    const bool compare = index == 0;
    if (compare) {
        GANTRY_TRY(index, ensure_devices(host));
    }
    if (tunnel_) GANTRY_CHECK(tunnel_->apply(peers, settled));
    std::map<std::string, std::string> neighbours, forwarding;  // as they are: by address, by MAC
    if (compare) {
        GANTRY_TRY(auto entries, host.neighbours(index, Table::neighbours));
        for (Neighbour& entry : entries) neighbours[entry.destination] = entry.mac;
        GANTRY_TRY(entries, host.neighbours(index, Table::forwarding));
        for (Neighbour& entry : entries) forwarding[entry.mac] = entry.destination;
    } else {
        for (const auto& [address, place] : known_) neighbours[show(address)] = place.mac;
        forwarding = forwarding_of(known_);
    }
    known_is_true_ = false;
    Changes changes(host, index, tunnel_index_);
    const auto wanted_forwarding = forwarding_of(wanted);
    // The way first, then who asks for it.
    for (const auto& [mac, vtep] : wanted_forwarding) {
        auto there = forwarding.find(mac);
        if (there == forwarding.end() || there->second != vtep) changes.set(Table::forwarding, {mac, vtep});
        if (there != forwarding.end()) forwarding.erase(there);
    }
    for (const auto& [address, place] : wanted) {
        auto there = neighbours.find(show(address));
        if (there == neighbours.end() || there->second != place.mac)
            changes.set(Table::neighbours, {place.mac, show(address)});
        if (there != neighbours.end()) neighbours.erase(there);
    }
    if (settled) {
        for (const auto& [address, mac] : neighbours) changes.remove(Table::neighbours, {mac, address});
        for (const auto& [mac, vtep] : forwarding) changes.remove(Table::forwarding, {mac, vtep});
    }
    GANTRY_CHECK(changes.finish());
    known_ = wanted;
    known_is_true_ = settled;
    return {};
}

Result<void> DataPlane::remove() {
    std::lock_guard lock(mutex_);
    GANTRY_TRY(auto host, netlink::Socket::open());
    GANTRY_TRY(auto bridge, host.find(spec_.bridge.name));
    for (int waited = 0; bridge; waited += 10) {
        GANTRY_TRY(auto ports, host.ports(bridge->index));
        std::erase_if(ports, [&](const netlink::Link& port) { return port.name == spec_.vxlan.name; });
        if (ports.empty()) break;
        if (waited >= leaving_ports_patience_ms)
            return fail(Code::busy, "bridge \"" + spec_.bridge.name + "\" still has " + std::to_string(ports.size()) +
                                        " ports, one is \"" + ports.front().name + "\"");
        const timespec pause{0, 10'000'000};
        ::nanosleep(&pause, nullptr);
    }
    known_is_true_ = false;
    GANTRY_CHECK(bridge::detach_veth(host, spec_.vxlan.name));
    GANTRY_CHECK(bridge::detach_veth(host, spec_.tunnel_name));
    return bridge::remove_bridge(host, spec_.bridge);
}

Result<NetworkDriver::State> DataPlane::state() {
    GANTRY_TRY(auto host, netlink::Socket::open());
    GANTRY_TRY(auto bridge, host.find(spec_.bridge.name));
    GANTRY_TRY(auto vxlan, host.find(spec_.vxlan.name));
    std::optional<netlink::Link> tunnel;
    if (spec_.tunnel) {
        GANTRY_TRY(tunnel, host.find(spec_.tunnel->name));
    }
    NetworkDriver::State state;
    state.more["interface"] = spec_.bridge.name;
    if (!bridge && !vxlan) return state;
    if (!bridge)
        state.message = "bridge \"" + spec_.bridge.name + "\" is missing";
    else if (spec_.tunnel && !tunnel)
        state.message = "WireGuard device \"" + spec_.tunnel->name + "\" is missing";
    else if (!vxlan)
        state.message = "VXLAN device \"" + spec_.vxlan.name + "\" is missing";
    else if (!bridge->up || !vxlan->up)
        state.message = "\"" + (bridge->up ? vxlan : bridge)->name + "\" is down";
    else if (vxlan->master != bridge->index)
        state.message = "\"" + vxlan->name + "\" is no port of \"" + bridge->name + "\"";
    state.state = state.message.empty() ? "ready" : "partial";
    return state;
}

}  // namespace gantry::overlay
