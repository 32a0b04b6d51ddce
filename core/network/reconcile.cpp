// What is recorded and what is in the kernel are brought together after a restart, and taken apart at a shutdown.
#include <algorithm>

#include <gantry/driver.hpp>

#include "core/base/clock.hpp"
#include "core/base/failpoint.hpp"
#include "core/base/log.hpp"
#include "core/network/impl.hpp"

namespace gantry::network {
namespace {

// Everything one driver shall have.
struct Desired {
    std::shared_ptr<driver::Driver> driver;
    std::vector<NetworkPtr> networks;
    Json objects{{"networks", Json::array()}, {"endpoints", Json::array()}};
};

}  // namespace

Result<void> NetworkService::reconcile(const std::set<std::string>& running) {
    Impl& impl = *impl_;
    std::lock_guard alone(impl.changes);
    Result<void> first;
    auto note = [&](Result<void> result) {
        if (!result && first) first = std::move(result);
    };
    GANTRY_CHECK(impl.names.make());
    GANTRY_FAILPOINT("network.reconcile.begin");

    // Networks whose creation no client was told of.
    std::vector<NetworkPtr> all, unfinished;
    {
        std::lock_guard lock(impl.mutex);
        for (const auto& [id, network] : impl.networks)
            (network->record.creating ? unfinished : all).push_back(network);
    }
    for (const NetworkPtr& network : unfinished) {
        auto driver = impl.driver_of(network);
        if (driver) {
            auto removed = (*driver)->call("network/1", "remove", {{"network", network_for_driver(network->record)}});
            if (!removed) note(std::move(removed).error());
        }
        note(impl.store.erase("network", network->record.id));
        std::lock_guard lock(impl.mutex);
        impl.networks.erase(network->record.id);
    }

    std::vector<EndpointRecord> ended;
    std::map<std::string, Desired> desired;  // by driver
    for (const NetworkPtr& network : all) {
        bool wanted = false;
        Json endpoints = Json::array();
        {
            std::lock_guard lock(impl.mutex);
            for (const EndpointRecord& endpoint : impl.endpoints_of_network(network->record.id)) {
                if (!running.contains(endpoint.container)) {
                    ended.push_back(endpoint);
                    continue;
                }
                wanted = true;
                endpoints.push_back({{"network", network->record.id},
                                     {"endpoint", endpoint_for_driver(endpoint)},
                                     {"ports", ports_for_driver(endpoint.ports)}});
            }
            wanted = wanted || network->record.made;
        }
        auto driver = impl.driver_of(network);
        if (!driver) {
            if (wanted) note(std::move(driver).error());
            continue;
        }
        Desired& mine = desired[network->record.driver];
        mine.driver = *driver;
        if (!wanted) continue;
        mine.networks.push_back(network);
        mine.objects["networks"].push_back(network_for_driver(network->record));
        for (const Json& endpoint : endpoints) mine.objects["endpoints"].push_back(endpoint);
    }
    for (auto& [name, mine] : desired) {
        auto reply = mine.driver->call("driver/1", "reconcile", {{"boot_id", boot_id()}, {"objects", mine.objects}}, {},
                                       driver::Deadline::longer);
        if (!reply && reply.error().code != Code::unsupported) {
            note(std::move(reply).error().context("driver \"" + name + "\""));
            continue;
        }
        if (reply)
            for (const Json& failed : member<std::vector<Json>>(reply->result, "failed"))
                log::warn("a driver could not mend an object", {{"driver", name},
                                                                {"id", member<std::string>(failed, "id")},
                                                                {"reason", member<std::string>(failed, "message")}});
        // ensure() again for its answer: where names are served. Also the whole of it for a driver without reconcile.
        for (const NetworkPtr& network : mine.networks) note(impl.ensure_in_kernel(network));
    }
    GANTRY_FAILPOINT("network.reconcile.mended");
    note(impl.release_all(ended, -1));
    // Before the names are written: other hosts' are among them.
    for (auto& [name, mine] : desired)
        if (mine.driver->offers("network.peers/1"))
            for (const NetworkPtr& network : mine.networks) note(impl.refresh_peers(network));

    std::vector<std::string> ids;
    for (const NetworkPtr& network : all) ids.push_back(network->record.id);
    {
        std::lock_guard one_writer(impl.names_mutex);
        note(impl.names.keep_only(ids));
    }
    note(impl.write_names({ids.begin(), ids.end()}));
    return first;
}

void NetworkService::shut_down() {
    Impl& impl = *impl_;
    impl.pool.stop();
    std::vector<NetworkPtr> all;
    std::vector<EndpointRecord> endpoints;
    {
        std::lock_guard lock(impl.mutex);
        for (const auto& [id, network] : impl.networks) all.push_back(network);
        for (const auto& [id, endpoint] : impl.endpoints) endpoints.push_back(endpoint);
    }
    (void)impl.release_all(endpoints, -1);
    for (const NetworkPtr& network : all) {
        NetworkRecord record;
        {
            std::unique_lock lock(impl.mutex);
            impl.changed.wait(lock, [&] { return network->kernel != NetworkState::Kernel::making; });
            record = network->record;
            if (!record.made) continue;
            network->kernel = NetworkState::Kernel::removing;
        }
        auto driver = impl.driver_of(network);
        Result<void> removed;
        if (!driver)
            removed = std::move(driver).error();
        else if (auto reply = (*driver)->call("network/1", "remove", {{"network", network_for_driver(record)}}); !reply)
            removed = std::move(reply).error();
        if (removed) {
            record.made = false;
            removed = impl.save(record);
        }
        if (!removed)
            log::warn("cannot take a network out of the kernel",
                      {{"network", record.name}, {"reason", removed.error().text}});
        std::lock_guard lock(impl.mutex);
        network->record.made = record.made;
        network->kernel = NetworkState::Kernel::absent;
        impl.changed.notify_all();
    }
    if (auto removed = impl.names.remove_all(); !removed)
        log::warn("cannot remove the names directory", {{"reason", removed.error().text}});
}

}  // namespace gantry::network
