// What the mirror of etcd says of the other hosts.
#include "plugins/network/overlay/etcd_entry.hpp"
#include "plugins/network/overlay/etcd_source.hpp"

namespace gantry::overlay {
namespace {

constexpr int shortest_block = 24;  // no host takes a larger one

// The entries of a slice that are well-formed: what another host wrote is input.
std::vector<Member> read_slice(const std::string& text) {
    std::vector<Member> members;
    const Json json = object_of(text);
    auto list = json.find("endpoints");
    if (list == json.end() || !list->is_array()) return members;
    for (const Json& one : *list) {
        if (!one.is_array() || one.size() != 3 || !one[0].is_string() || !one[1].is_string() || !one[2].is_array())
            continue;
        auto address = parse_address(one[0].get<std::string>());
        Member member{address.value_or(0), one[1].get<std::string>(), {}};
        if (!address || !valid_mac(member.mac)) continue;
        for (const Json& name : one[2])
            if (name.is_string()) member.names.push_back(name.get<std::string>());
        members.push_back(std::move(member));
    }
    return members;
}

// "HOST" of "sl/HOST/3".
std::string host_of_slice(const std::string& key) {
    const std::size_t end = key.rfind('/');
    return end <= 3 ? "" : key.substr(3, end - 3);
}

}  // namespace

void EtcdSource::set_entry(KeyValue entry) {
    view_changed_ = true;
    if (entry.key.starts_with("sl/")) {
        const std::string host = host_of_slice(entry.key);
        auto members = read_slice(entry.value);
        std::set<std::uint32_t> now;
        for (const Member& member : members) {
            now.insert(member.address);
            first_seen_.try_emplace({host, member.address}, entry.mod_revision);
        }
        for (const Member& member : slices_[entry.key])
            if (!now.contains(member.address)) first_seen_.erase({host, member.address});
        slices_[entry.key] = std::move(members);
    }
    mirror_[entry.key] = std::move(entry);
}

void EtcdSource::forget(const std::string& name) {
    if (mirror_.erase(name) == 0) return;
    view_changed_ = true;
    auto slice = slices_.find(name);
    if (slice == slices_.end()) return;
    for (const Member& member : slice->second) first_seen_.erase({host_of_slice(name), member.address});
    slices_.erase(slice);
}

// Of two hosts that have one address, the one with the user's claim, then the one that came later.
void EtcdSource::build_peers() {
    std::map<std::uint32_t, std::pair<std::int64_t, std::string>> owner;  // rank and host by address
    for (const auto& [name, members] : slices_) {
        const std::string host = host_of_slice(name);
        for (const Member& member : members) {
            std::int64_t rank = first_seen_[{host, member.address}];
            auto claim = mirror_.find("ip/" + show(member.address));
            if (claim != mirror_.end() && owner_of(claim->second.value) == host) rank = INT64_MAX;
            auto& best = owner[member.address];
            if (best.second.empty() || rank > best.first) best = {rank, host};
        }
    }
    std::map<std::string, Peer> peers;
    for (const auto& [name, entry] : mirror_) {
        if (!name.starts_with("mem/")) continue;
        Peer peer;
        peer.host = name.substr(4);
        const Json told = object_of(entry.value);
        peer.vtep = gantry::member<std::string>(told, "vtep");
        peer.tunnel = tunnel_of(told);
        peer.suspect = !mirror_.contains("up/" + peer.host);
        if (peer.host != host_ && valid_host_name(peer.host) && parse_address(peer.vtep))
            peers[peer.host] = std::move(peer);
    }
    for (const auto& [name, entry] : mirror_) {
        if (!name.starts_with("blk/")) continue;
        auto peer = peers.find(owner_of(entry.value));
        const auto block = parse_block(name.substr(4));
        if (peer == peers.end() || !block || block->length < shortest_block || !facts_ ||
            !facts_->subnet.contains(*block))
            continue;
        peer->second.blocks.push_back(*block);
    }
    for (const auto& [name, members] : slices_) {
        auto peer = peers.find(host_of_slice(name));
        if (peer == peers.end()) continue;
        for (const Member& member : members)
            if (owner[member.address].second == peer->first) peer->second.members.push_back(member);
    }
    peers_.clear();
    for (auto& [host, peer] : peers) peers_.push_back(std::move(peer));
}

}  // namespace gantry::overlay
