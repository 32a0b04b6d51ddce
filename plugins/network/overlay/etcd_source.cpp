#include "plugins/network/overlay/etcd_source.hpp"

#include <signal.h>

#include <algorithm>
#include <ctime>

#include <gantry/driver.hpp>

#include "plugins/network/overlay/host_identity.hpp"

namespace gantry::overlay {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::int64_t lease_seconds = 30;
constexpr seconds keep_alive_every{10}, resync_every{60}, grace{60}, seen_every{3600};
constexpr milliseconds first_pause{250}, longest_pause{5000}, publish_pause{100}, remember_pause{1000};
constexpr std::size_t changes_per_transaction = 100;  // etcd takes 128
constexpr int slice_bits = 7;                         // 128 addresses in each
constexpr int shortest_block = 24;                    // no host takes a larger one

Json parsed(const std::string& text) {
    Json json = Json::parse(text, nullptr, false);
    return json.is_object() ? json : Json::object();
}

// The entries of a slice that are well-formed: what another host wrote is input.
std::vector<Member> read_slice(const std::string& text) {
    std::vector<Member> members;
    const Json json = parsed(text);
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

Result<std::unique_ptr<EtcdSource>> EtcdSource::create(EtcdNetwork network) {
    GANTRY_TRY(std::string host, host_identity(network.directory));
    GANTRY_TRY(std::string boot, boot_identity());
    std::unique_ptr<EtcdSource> source(new EtcdSource(std::move(network), std::move(host), std::move(boot)));
    // An engine that was restarted: what is attached here is not known before it says so.
    source->holding_ = source->recall();
    return source;
}

EtcdSource::EtcdSource(EtcdNetwork network, std::string host, std::string boot)
    : network_(std::move(network)),
      prefix_("/gantry/1/net/" + network_.network + "/"),
      host_(std::move(host)),
      boot_(std::move(boot)),
      calls_(network_.etcd),
      endpoint_(network_.etcd.endpoints.front()),
      agent_(network_.etcd) {}

EtcdSource::~EtcdSource() { stop(); }

void EtcdSource::stop() {
    stopping_ = true;
    agent_.abandon();
    if (thread_.joinable()) thread_.join();
}

void EtcdSource::watch(std::function<void(bool whole)> changed) {
    changed_ = std::move(changed);
    thread_ = std::thread([this] { run(); });
}

std::vector<Peer> EtcdSource::peers() {
    std::lock_guard lock(mutex_);
    return peers_;
}

Json EtcdSource::status() {
    std::lock_guard lock(mutex_);
    return {{"source", endpoint_}, {"reachable", problem_.empty()}, {"message", problem_}};
}

void EtcdSource::publish(std::vector<Member> members, bool complete) {
    {
        std::lock_guard lock(mutex_);
        members_ = std::move(members);
        if (complete) holding_ = false;
    }
    want_sync_ = true;
    agent_.wake();
}

void EtcdSource::run() {
    // Signals are the engine's, not this thread's.
    sigset_t all;
    sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
    bool connected = false;
    milliseconds pause = first_pause;
    Clock::time_point retry = Clock::now(), keep_alive{}, resync = Clock::now() + resync_every, sync_due{}, write_due{};
    bool unwritten = false;
    changed_(true);
    while (!stopping_) {
        auto failed = [&](const Error& error) {
            connected = false;
            away(error);
            retry = Clock::now() + pause;
            pause = std::min(pause * 2, longest_pause);
        };
        if (!connected && Clock::now() >= retry) {
            if (auto done = connect(agent_); !done) {
                failed(done.error());
            } else {
                connected = true;
                pause = first_pause;
                keep_alive = Clock::now() + keep_alive_every;
                want_sync_ = true;
                changed_(true);
            }
        }
        if (connected && want_sync_ && Clock::now() >= sync_due) {
            want_sync_ = false;
            sync_due = Clock::now() + publish_pause;
            if (auto done = sync(agent_); !done) {
                want_sync_ = true;
                failed(done.error());
            }
        }
        if (connected && Clock::now() >= keep_alive) {
            keep_alive = Clock::now() + keep_alive_every;
            if (auto kept = agent_.keep_alive(lease_); !kept) failed(kept.error());
        }
        if (Clock::now() >= resync) {
            resync = Clock::now() + resync_every;
            changed_(true);
        }
        Clock::time_point next = std::min(resync, connected ? keep_alive : retry);
        if (connected && want_sync_) next = std::min(next, sync_due);
        if (unwritten) next = std::min(next, write_due);
        const auto left = std::chrono::ceil<milliseconds>(next - Clock::now()).count();
        if (stopping_) break;
        auto heard = agent_.wait(static_cast<int>(std::clamp<std::int64_t>(left, 0, 60'000)),
                                 [this](const WatchMessage& message) { return take(message); });
        if (!heard && connected) failed(heard.error());
        bool news = false;
        {
            std::lock_guard lock(mutex_);
            news = std::exchange(view_changed_, false);
            if (news) build_peers();
        }
        if (news) changed_(false);
        unwritten = unwritten || news;
        if (unwritten && Clock::now() >= write_due) {
            unwritten = false;
            write_due = Clock::now() + remember_pause;
            std::lock_guard lock(mutex_);
            remember();
        }
        if (connected && (relist_ || (grace_until_ != Clock::time_point{} && Clock::now() >= grace_until_))) {
            relist_ = false;
            agent_.end_watch();
            connected = false;
            retry = Clock::now();
        }
    }
    agent_.end_watch();
}

void EtcdSource::away(const Error& error) {
    agent_.end_watch();
    std::lock_guard lock(mutex_);
    // As long as etcd answers, a restarted engine asks it again; from now on what is known has to be on disk.
    if (problem_.empty()) remember();
    if (problem_.empty() || problem_ == "etcd was not reached yet")
        network_.log(true, "network \"" + network_.network + "\": " + error.text + "; what is known stays as it is");
    problem_ = error.text;
}

Result<void> EtcdSource::connect(Etcd& etcd) {
    if (lease_ == 0 || !etcd.keep_alive(lease_)) {
        GANTRY_TRY(lease_, etcd.grant(lease_seconds));
        std::lock_guard lock(mutex_);
        forget("up/" + host_);  // it hung on the lease that ended
    }
    GANTRY_TRY(Listing listing, etcd.list(prefix_));
    const std::int64_t from = listing.revision + 1;
    take_listing(std::move(listing));
    GANTRY_CHECK(etcd.watch(prefix_, from));
    settled_ = true;
    std::lock_guard lock(mutex_);
    if (!problem_.empty() && problem_ != "etcd was not reached yet")
        network_.log(false, "network \"" + network_.network + "\": etcd at " + etcd.endpoint() + " answers again");
    problem_.clear();
    endpoint_ = etcd.endpoint();
    build_peers();
    remember();
    return {};
}

void EtcdSource::take_listing(Listing listing) {
    std::lock_guard lock(mutex_);
    const bool set_back =
        revision_ != 0 && (listing.revision < revision_ || (cluster_ != 0 && listing.cluster != cluster_));
    if (set_back) {
        network_.log(true, "network \"" + network_.network +
                               "\": etcd was set back to an earlier state; everything is written anew");
        grace_until_ = Clock::now() + grace;
    } else if (grace_until_ != Clock::time_point{} && Clock::now() >= grace_until_) {
        grace_until_ = {};
    }
    revision_ = listing.revision;
    cluster_ = listing.cluster;
    std::set<std::string> there;
    for (KeyValue& entry : listing.entries) {
        if (!entry.key.starts_with(prefix_)) continue;
        entry.key.erase(0, prefix_.size());
        there.insert(entry.key);
        set_entry(std::move(entry));
    }
    std::vector<std::string> gone;
    for (const auto& [name, entry] : mirror_)
        if (!there.contains(name)) gone.push_back(name);
    const bool keep_others = grace_until_ != Clock::time_point{};
    for (const std::string& name : gone) {
        const bool of_another = (name.starts_with("mem/") || name.starts_with("sl/")) && name != "mem/" + host_ &&
                                !name.starts_with("sl/" + host_ + "/");
        if (!(keep_others && of_another)) forget(name);
    }
}

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

Result<void> EtcdSource::take(const WatchMessage& message) {
    if (message.cancelled) {
        // Too far behind: what is missed cannot be had one by one any more.
        relist_ = true;
        return {};
    }
    std::lock_guard lock(mutex_);
    revision_ = std::max(revision_, message.revision);
    for (const WatchEvent& event : message.events) {
        if (!event.entry.key.starts_with(prefix_)) continue;
        KeyValue entry = event.entry;
        entry.key.erase(0, prefix_.size());
        const bool own = entry.key.ends_with("/" + host_) || entry.key.starts_with("sl/" + host_ + "/");
        if (event.gone)
            forget(entry.key);
        else
            set_entry(std::move(entry));
        // Somebody else changed what is this host's own.
        if (own || event.gone) want_sync_ = true;
    }
    return {};
}

std::map<std::string, std::string> EtcdSource::wanted_entries() {
    std::map<std::string, std::string> wanted;
    if (!facts_) return wanted;
    wanted["facts"] =
        Json{{"subnet", facts_->subnet.text()}, {"gateway", show(facts_->gateway)}, {"vni", facts_->vni}}.dump();
    std::int64_t now = static_cast<std::int64_t>(std::time(nullptr)), seen = now;
    // Not at every opportunity: each change is told to every host.
    if (auto old = mirror_.find("mem/" + host_); old != mirror_.end()) {
        const auto before = member<std::int64_t>(parsed(old->second.value), "seen");
        if (before <= now && now - before < seen_every.count()) seen = before;
    }
    wanted["mem/" + host_] = Json{{"vtep", facts_->vtep}, {"seen", seen}}.dump();
    wanted["up/" + host_] = Json{{"boot", boot_}}.dump();
    for (std::uint32_t address : claims_) wanted["ip/" + show(address)] = Json{{"owner", host_}}.dump();
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

// What this host shall have in etcd is brought there. The mirror is changed with it: the watch brings it later.
Result<void> EtcdSource::sync(Etcd& etcd) {
    struct Change {
        std::string name, value;
        bool erase;
    };
    std::vector<Change> changes;
    {
        std::lock_guard lock(mutex_);
        if (left_ || !facts_) return {};
        const auto wanted = wanted_entries();
        for (const auto& [name, value] : wanted) {
            auto there = mirror_.find(name);
            // The facts were agreed on; they are written again only where etcd lost them.
            if (there != mirror_.end() && (there->second.value == value || name == "facts")) continue;
            if (holding_ && name.starts_with("sl/")) continue;
            // Another host's claim stands.
            if (there != mirror_.end() && name.starts_with("ip/")) continue;
            changes.push_back({name, value, false});
            if (name == "facts")
                changes.push_back({"/gantry/1/vni/" + std::to_string(facts_->vni), network_.network, false});
        }
        for (const auto& [name, entry] : mirror_) {
            if (wanted.contains(name) || holding_) continue;
            const bool own_claim =
                name.starts_with("ip/") && member<std::string>(parsed(entry.value), "owner") == host_;
            if (own_claim || name.starts_with("sl/" + host_ + "/")) changes.push_back({name, "", true});
        }
        for (auto block = blocks_.begin(); block != blocks_.end();) {
            auto there = mirror_.find("blk/" + *block);
            const std::string mine = Json{{"owner", host_}}.dump();
            if (there == mirror_.end() && grace_until_ != Clock::time_point{}) {
                changes.push_back({"blk/" + *block, mine, false});
            } else if (there != mirror_.end() && there->second.value != mine) {
                network_.log(true, "network \"" + network_.network + "\": block " + *block +
                                       " was given to another host while this one was away");
                block = blocks_.erase(block);
                continue;
            }
            ++block;
        }
    }
    for (std::size_t begin = 0; begin < changes.size(); begin += changes_per_transaction) {
        const std::size_t end = std::min(changes.size(), begin + changes_per_transaction);
        Transaction transaction;
        for (std::size_t i = begin; i < end; ++i) {
            const Change& change = changes[i];
            const std::string full = change.name.starts_with("/") ? change.name : key(change.name);
            if (change.erase)
                transaction.erase(full);
            else
                transaction.put(full, change.value, change.name.starts_with("up/") ? lease_ : 0);
        }
        std::int64_t revision = 0;
        GANTRY_TRY([[maybe_unused]] const bool done, etcd.commit(transaction, &revision));
        std::lock_guard lock(mutex_);
        for (std::size_t i = begin; i < end; ++i) {
            if (changes[i].name.starts_with("/")) continue;
            if (changes[i].erase)
                forget(changes[i].name);
            else
                set_entry({changes[i].name, changes[i].value, revision, revision});
        }
    }
    return {};
}

// Of two hosts that have one address, the one with the user's claim, then the one that came later.
void EtcdSource::build_peers() {
    std::map<std::uint32_t, std::pair<std::int64_t, std::string>> owner;  // rank and host by address
    for (const auto& [name, members] : slices_) {
        const std::string host = host_of_slice(name);
        for (const Member& member : members) {
            std::int64_t rank = first_seen_[{host, member.address}];
            auto claim = mirror_.find("ip/" + show(member.address));
            if (claim != mirror_.end() && gantry::member<std::string>(parsed(claim->second.value), "owner") == host)
                rank = INT64_MAX;
            auto& best = owner[member.address];
            if (best.second.empty() || rank > best.first) best = {rank, host};
        }
    }
    std::map<std::string, Peer> peers;
    for (const auto& [name, entry] : mirror_) {
        if (!name.starts_with("mem/")) continue;
        Peer peer;
        peer.host = name.substr(4);
        peer.vtep = gantry::member<std::string>(parsed(entry.value), "vtep");
        peer.suspect = !mirror_.contains("up/" + peer.host);
        if (peer.host != host_ && valid_host_name(peer.host) && parse_address(peer.vtep))
            peers[peer.host] = std::move(peer);
    }
    for (const auto& [name, entry] : mirror_) {
        if (!name.starts_with("blk/")) continue;
        auto peer = peers.find(gantry::member<std::string>(parsed(entry.value), "owner"));
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
