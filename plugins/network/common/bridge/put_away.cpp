#include "plugins/network/common/bridge/put_away.hpp"

#include <signal.h>

#include <chrono>
#include <utility>

namespace gantry::bridge {
namespace {

constexpr std::chrono::milliseconds quiet{500};
constexpr std::size_t most_kept = 128;  // beyond that they are removed whether there is quiet or not

std::string name_of(int index) { return "gr-" + std::to_string(index); }

}  // namespace

PutAway::~PutAway() {
    {
        std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
    // Nobody is there any more to whom a failure could be told, and the next engine finds what is left.
    (void)finish();
}

bool PutAway::is_name(const std::string& name) {
    return name.starts_with("gr-") && name.size() > 3 && name.find_first_not_of("0123456789", 3) == std::string::npos;
}

Result<void> PutAway::add(netlink::Socket& host, const netlink::Link& bridge) {
    GANTRY_CHECK(host.flush_addresses(bridge.index));
    netlink::Batch plain;
    plain.stop_vlan_filtering(bridge.index);
    auto is_plain = host.send(std::move(plain));
    if (!is_plain && is_plain.error().code != Code::unsupported) return is_plain;
    netlink::Batch away;
    away.set_down(bridge.index);
    away.rename_link(bridge.index, name_of(bridge.index));
    GANTRY_CHECK(host.send(std::move(away)).context("put bridge \"" + bridge.name + "\" away"));
    std::lock_guard lock(mutex_);
    names_.push_back(name_of(bridge.index));
    touched_ = true;
    if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
    changed_.notify_all();
    return {};
}

Result<std::optional<netlink::Link>> PutAway::take(netlink::Socket& host, const std::string& name,
                                                   const std::string& mac, int mtu, const std::string& mark) {
    std::string mine;
    {
        std::lock_guard lock(mutex_);
        touched_ = true;
        if (names_.empty()) return std::optional<netlink::Link>();
        mine = std::move(names_.back());
        names_.pop_back();
    }
    GANTRY_TRY(auto link, host.find(mine));
    if (!link) return std::optional<netlink::Link>();  // somebody has removed it
    netlink::Batch renew;
    // In one write: it is never one network's by its name and another's by its mark.
    renew.renew_bridge(link->index, name, mac, mtu);
    renew.set_alias(link->index, mark);
    if (auto renewed = host.send(std::move(renew)); !renewed) {
        told_(renewed.error());
        std::lock_guard lock(mutex_);
        names_.push_front(mine);
        changed_.notify_all();
        return std::optional<netlink::Link>();
    }
    return host.find(name);
}

Result<void> PutAway::remove_one(netlink::Socket& host, const std::string& name) {
    netlink::Batch remove;
    remove.remove_link(name);
    auto removed = host.send(std::move(remove));
    if (!removed && removed.error().code != Code::not_found) return removed;
    return {};
}

Result<void> PutAway::finish() {
    GANTRY_TRY(auto host, netlink::Socket::open());
    Result<void> first;
    std::unique_lock lock(mutex_);
    while (!names_.empty()) {
        const std::string name = std::move(names_.front());
        names_.pop_front();
        lock.unlock();
        if (auto removed = remove_one(host, name); !removed && first) first = std::move(removed);
        lock.lock();
    }
    changed_.wait(lock, [this] { return !removing_; });
    return first;
}

void PutAway::run() {
    // Signals are the engine's, not this thread's.
    sigset_t all;
    sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
    auto host = netlink::Socket::open();
    if (!host) {
        told_(host.error());
        return;
    }
    std::unique_lock lock(mutex_);
    while (!stopping_) {
        if (names_.empty()) {
            changed_.wait(lock);
            continue;
        }
        // Networks that come and go one after the other hand their bridges on.
        touched_ = false;
        if (names_.size() <= most_kept && changed_.wait_for(lock, quiet, [this] { return stopping_ || touched_; }))
            continue;
        while (!stopping_ && !names_.empty() && (!touched_ || names_.size() > most_kept)) {
            const std::string name = std::move(names_.front());
            names_.pop_front();
            removing_ = true;
            lock.unlock();
            if (auto removed = remove_one(*host, name); !removed) told_(removed.error());
            lock.lock();
            removing_ = false;
            changed_.notify_all();
        }
    }
}

}  // namespace gantry::bridge
