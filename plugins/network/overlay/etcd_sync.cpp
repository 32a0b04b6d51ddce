// What this host shall have in etcd, and how it is brought there.
#include <algorithm>
#include <ctime>

#include "plugins/network/overlay/etcd_entry.hpp"
#include "plugins/network/overlay/etcd_source.hpp"

namespace gantry::overlay {
namespace {

constexpr std::size_t changes_per_transaction = 100;  // etcd takes 128
constexpr std::int64_t seen_every = 3600;             // seconds

}  // namespace

std::map<std::string, std::string> EtcdSource::wanted_entries() {
    std::map<std::string, std::string> wanted;
    if (!facts_) return wanted;
    wanted["facts"] = facts_text(*facts_);
    std::int64_t now = static_cast<std::int64_t>(std::time(nullptr)), seen = now;
    // Not at every opportunity: each change is told to every host.
    if (auto old = mirror_.find("mem/" + host_); old != mirror_.end()) {
        const auto before = member<std::int64_t>(object_of(old->second.value), "seen");
        if (before <= now && now - before < seen_every) seen = before;
    }
    wanted["mem/" + host_] = member_text(facts_->vtep, seen, tunnel_);
    wanted["up/" + host_] = Json{{"boot", boot_}}.dump();
    for (std::uint32_t address : claims_) wanted["ip/" + show(address)] = entry_of_owner(host_);
    std::map<std::uint32_t, Json> slices;
    std::vector<Member> sorted = members_;
    std::sort(sorted.begin(), sorted.end(), [](const Member& a, const Member& b) { return a.address < b.address; });
    for (const Member& member : sorted) {
        Json& slice = slices[member.address >> slice_bits];
        slice.push_back({show(member.address), member.mac, member.names});
    }
    for (const auto& [number, endpoints] : slices)
        wanted["sl/" + host_ + "/" + std::to_string(number)] = Json{{"endpoints", endpoints}}.dump();
    return wanted;
}

std::vector<EtcdSource::Change> EtcdSource::changes() {
    std::vector<Change> changes;
    const auto wanted = wanted_entries();
    for (const auto& [name, value] : wanted) {
        auto there = mirror_.find(name);
        // The facts were agreed on; they are written again only where etcd lost them.
        if (there != mirror_.end() && (there->second.value == value || name == "facts")) continue;
        if (holding_ && name.starts_with("sl/")) continue;
        const bool claim = name.starts_with("ip/");
        // Another host's claim stands.
        if (there != mirror_.end() && claim) continue;
        changes.push_back({name, value, claim});
        if (name == "facts") changes.push_back({"/gantry/1/vni/" + std::to_string(facts_->vni), network_.network});
    }
    for (const auto& [name, entry] : mirror_) {
        if (wanted.contains(name) || holding_) continue;
        if (name.starts_with("sl/" + host_ + "/")) changes.push_back({name, "", true, entry.mod_revision});
        if (!name.starts_with("ip/") || owner_of(entry.value) != host_) continue;
        if (claiming_ && name == "ip/" + show(*claiming_)) continue;
        changes.push_back({name, "", true, entry.mod_revision});
    }
    const std::string mine = entry_of_owner(host_);
    for (auto block = blocks_.begin(); block != blocks_.end();) {
        auto there = mirror_.find("blk/" + *block);
        if (there == mirror_.end() && grace_until_ != Clock::time_point{}) {
            changes.push_back({"blk/" + *block, mine, true});
        } else if (there != mirror_.end() && there->second.value != mine) {
            network_.log(true, "network \"" + network_.network + "\": block " + *block +
                                   " was given to another host while this one was away");
            block = blocks_.erase(block);
            continue;
        }
        ++block;
    }
    return changes;
}

// The mirror is not touched: the watch brings what was done, in the order in which it happened.
Result<void> EtcdSource::sync(Etcd& etcd) {
    std::vector<Change> wished;
    {
        std::lock_guard lock(mutex_);
        if (left_ || !facts_) return {};
        wished = changes();
    }
    std::stable_partition(wished.begin(), wished.end(), [](const Change& change) { return !change.alone; });
    for (std::size_t begin = 0, end = 0; begin < wished.size(); begin = end) {
        Transaction transaction;
        for (; end < wished.size() && end - begin < changes_per_transaction; ++end) {
            const Change& change = wished[end];
            if (change.alone && end != begin) break;
            const std::string full = change.name.starts_with("/") ? change.name : key(change.name);
            if (change.alone && change.revision == 0) transaction.absent(full);
            if (change.alone && change.revision != 0) transaction.unchanged(full, change.revision);
            if (change.value.empty())
                transaction.erase(full);
            else
                transaction.put(full, change.value, change.name.starts_with("up/") ? lease_ : 0);
            if (change.alone) {
                ++end;
                break;
            }
        }
        std::int64_t revision = 0;
        GANTRY_TRY(const bool done, etcd.commit(transaction, &revision));
        // Where another host was quicker, the watch brings that too.
        if (done) written_ = std::max(written_, revision);
    }
    return {};
}

}  // namespace gantry::overlay
