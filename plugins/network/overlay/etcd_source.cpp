#include "plugins/network/overlay/etcd_source.hpp"

#include <signal.h>

#include <algorithm>

#include <gantry/driver.hpp>

#include "plugins/network/overlay/host_identity.hpp"

namespace gantry::overlay {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::int64_t lease_seconds = 30;
constexpr seconds keep_alive_every{10}, resync_every{60}, grace{60};
constexpr milliseconds first_pause{250}, longest_pause{5000}, publish_pause{100}, remember_pause{1000};

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

void EtcdSource::offer(const TunnelEnd& end) {
    {
        std::lock_guard lock(mutex_);
        tunnel_ = end;
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
        // What was written before has to be in the mirror: it is compared with it.
        if (connected && want_sync_ && heard_ >= written_ && Clock::now() >= sync_due) {
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
        if (connected && want_sync_ && heard_ >= written_) next = std::min(next, sync_due);
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
    heard_ = listing.revision;
    written_ = 0;  // an etcd that was set back never comes to it
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

Result<void> EtcdSource::take(const WatchMessage& message) {
    if (message.cancelled) {
        // Too far behind: what is missed cannot be had one by one any more.
        relist_ = true;
        return {};
    }
    std::lock_guard lock(mutex_);
    revision_ = std::max(revision_, message.revision);
    for (const WatchEvent& event : message.events) {
        heard_ = std::max(heard_, event.entry.mod_revision);
        if (!event.entry.key.starts_with(prefix_)) continue;
        KeyValue entry = event.entry;
        entry.key.erase(0, prefix_.size());
        // Claims and blocks too: this host's may have been lost, or one of its claims be of no use any more.
        const bool own = entry.key.ends_with("/" + host_) || entry.key.starts_with("sl/" + host_ + "/") ||
                         entry.key.starts_with("ip/") || entry.key.starts_with("blk/");
        if (event.gone)
            forget(entry.key);
        else
            set_entry(std::move(entry));
        // Somebody else changed what is this host's own.
        if (own || event.gone) want_sync_ = true;
    }
    return {};
}

}  // namespace gantry::overlay
