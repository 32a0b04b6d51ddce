// Networks that have other hosts: who they are, and what their containers are called.
#include <gantry/driver.hpp>

#include "core/base/ids.hpp"
#include "core/base/log.hpp"
#include "core/network/impl.hpp"

namespace gantry::network {
namespace {

constexpr const char* peers_table = "network.peers/1";

// What the resolver is to know of a container elsewhere. Names come from another host: only such as containers can have.
std::vector<EndpointRecord> endpoints_of_peers(const std::string& network, const Json& answer) {
    std::vector<EndpointRecord> endpoints;
    for (const Json& peer : member<std::vector<Json>>(answer, "peers"))
        for (const Json& one : member<std::vector<Json>>(peer, "endpoints")) {
            EndpointRecord endpoint;
            endpoint.network = network;
            endpoint.address = parse_ipv4(member<std::string>(one, "address")).value_or(0);
            for (std::string& name : member<std::vector<std::string>>(one, "names")) {
                if (!valid_name(name)) continue;
                if (endpoint.container_name.empty())
                    endpoint.container_name = std::move(name);
                else
                    endpoint.aliases.push_back(std::move(name));
            }
            if (endpoint.address && !endpoint.container_name.empty()) endpoints.push_back(std::move(endpoint));
        }
    return endpoints;
}

}  // namespace

void PeerWatch::stop() {
    {
        std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
}

void PeerWatch::tell(const std::string& network) {
    std::lock_guard lock(mutex_);
    if (stopping_) return;
    waiting_.insert(network);
    if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
    changed_.notify_all();
}

void PeerWatch::run() {
    std::unique_lock lock(mutex_);
    for (;;) {
        changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
        if (stopping_) return;
        const std::string network = *waiting_.begin();
        waiting_.erase(waiting_.begin());
        lock.unlock();
        look_(network);
        lock.lock();
    }
}

Result<void> NetworkService::Impl::refresh_peers(const NetworkPtr& network) {
    GANTRY_TRY(auto driver, driver_of(network));
    if (!driver->offers(peers_table)) return {};
    NetworkRecord record;
    {
        std::lock_guard lock(mutex);
        record = network->record;
    }
    // One asker at a time: an older answer never replaces a newer one.
    std::lock_guard one_asker(peers_mutex);
    GANTRY_TRY(driver::Reply reply, driver->call(peers_table, "peers", {{"network", network_for_driver(record)}}, {},
                                                 driver::Deadline::fast));
    auto others = endpoints_of_peers(record.id, reply.result);
    {
        std::lock_guard lock(mutex);
        if (!networks.contains(record.id)) return {};
        peers[record.id] = std::move(others);
        // While it is made, where its names are served is not known yet: who makes it writes them.
        if (network->kernel != NetworkState::Kernel::ready) return {};
    }
    return write_names({record.id});
}

void NetworkService::Impl::announce(const EndpointRecord& endpoint) {
    auto network = find(endpoint.network);
    if (!network) return;
    auto driver = driver_of(*network);
    if (!driver || !(*driver)->offers(peers_table)) return;
    NetworkRecord record;
    {
        std::lock_guard lock(mutex);
        record = (*network)->record;
    }
    auto told = (*driver)->call(peers_table, "announce",
                                {{"network", network_for_driver(record)}, {"endpoint", endpoint_for_driver(endpoint)}});
    if (!told)
        log::warn("a network's other hosts could not be told of a new name",
                  {{"endpoint", endpoint.id}, {"reason", told.error().text}});
}

Result<Json> NetworkService::peers(std::string_view name_or_id) {
    GANTRY_TRY(NetworkPtr network, impl_->find(name_or_id));
    GANTRY_TRY(auto driver, impl_->driver_of(network));
    NetworkRecord record;
    {
        std::lock_guard lock(impl_->mutex);
        record = network->record;
    }
    if (!driver->offers(peers_table))
        return fail(Code::unsupported, "network " + record.name + " is on this host alone: driver \"" + driver->name() +
                                           "\" makes no networks of several hosts");
    GANTRY_TRY(driver::Reply reply, driver->call(peers_table, "peers", {{"network", network_for_driver(record)}}, {},
                                                 driver::Deadline::fast));
    reply.result["network"] = record.name;
    return std::move(reply.result);
}

driver::EventHandler NetworkService::event_handler() {
    // A driver may tell something while the engine ends, and this is gone already.
    return [watch = std::weak_ptr<PeerWatch>(impl_->peer_watch)](const std::string&, const Json& event) {
        if (member<std::string>(event, "type") != "network.peers") return;
        if (auto there = watch.lock()) there->tell(member<std::string>(event, "id"));
    };
}

}  // namespace gantry::network
