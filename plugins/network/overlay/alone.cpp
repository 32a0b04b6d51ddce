#include "plugins/network/overlay/alone.hpp"

#include <pthread.h>
#include <signal.h>

#include <chrono>

#include "plugins/network/overlay/host_identity.hpp"
#include "plugins/network/overlay/underlay.hpp"

namespace gantry::overlay {
namespace {

constexpr std::chrono::seconds resync{60};
// Of the block for documentation (RFC 5737): the default route leads there, and nothing is sent.
constexpr const char* elsewhere = "192.0.2.1";

std::string own_address() {
    auto found = address_towards(elsewhere);
    return found ? *found : "127.0.0.1";
}

}  // namespace

Result<std::unique_ptr<Alone>> Alone::create(const AloneNetwork& network) {
    Facts facts;
    GANTRY_TRY(facts.host, host_identity(network.directory));
    facts.vtep = network.vtep.empty() ? own_address() : network.vtep;
    // The id is random: two engines on one machine have two numbers for networks of one name.
    facts.vni = network.vni != 0 ? network.vni : vni_of(network.id, 0);
    return std::unique_ptr<Alone>(new Alone(std::move(facts)));
}

Alone::~Alone() {
    {
        std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_all();
    if (thread_.joinable()) thread_.join();
}

Result<Facts> Alone::join(const Block& subnet, std::uint32_t gateway, bool) {
    std::lock_guard lock(mutex_);
    facts_.subnet = subnet;
    facts_.gateway = gateway;
    return facts_;
}

void Alone::watch(std::function<void(bool whole)> changed) {
    changed_ = std::move(changed);
    thread_ = std::thread([this] { run(); });
}

void Alone::run() {
    // Signals are the engine's, not this thread's.
    sigset_t all;
    sigfillset(&all);
    ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
    std::unique_lock lock(mutex_);
    while (!stopping_) {
        lock.unlock();
        changed_(true);
        lock.lock();
        wake_.wait_for(lock, resync, [this] { return stopping_; });
    }
}

Result<Ranges> Alone::ranges(bool) {
    std::lock_guard lock(mutex_);
    return Ranges{{facts_.subnet}, {}};
}

Json Alone::status() {
    return {{"source", "none"},
            {"reachable", true},
            {"message", "neither etcd nor a document knows the network: this host has it for itself"}};
}

}  // namespace gantry::overlay
