// Networks as objects: create, remove, look at.
#include <algorithm>

#include <gantry/driver.hpp>

#include "core/base/clock.hpp"
#include "core/base/failpoint.hpp"
#include "core/base/ids.hpp"
#include "core/base/log.hpp"
#include "core/network/api.hpp"
#include "core/network/impl.hpp"
#include "core/network/validate.hpp"

namespace gantry::network {

Result<Json> NetworkService::create(const Json& body) {
    std::shared_lock change(impl_->changes);
    GANTRY_TRY(NetworkRecord record, read_create_request(body));
    if (record.name == "default" || record.name == "container")
        return fail(Code::denied, "operation is not permitted on predefined " + record.name + " network");
    if (record.driver.empty()) record.driver = impl_->settings.default_driver;
    GANTRY_TRY(auto driver, impl_->drivers.get(driver::Kind::network, record.driver));
    if (mode_of(*driver) != Mode::interfaces)
        return fail(Code::denied, "only one instance of \"" + record.driver + "\" network is allowed");
    GANTRY_TRY(record.options,
               driver::validate_options(member<Json>(driver->description(), "object_options", Json::object()),
                                        record.given_options, "driver \"" + record.driver + "\""));
    record.id = new_id();
    record.created_ns = wall_clock_ns();
    record.creating = true;
    record.chosen_subnet = record.ipv4 && !record.subnet;
    record.chosen_subnet6 = record.ipv6 && !record.subnet6;

    auto network = std::make_shared<NetworkState>();
    network->record = record;
    network->driver = driver;
    {
        std::lock_guard lock(impl_->mutex);
        for (const auto& [id, other] : impl_->networks) {
            if (other->record.name != record.name) continue;
            if (other->record.built_in)
                return fail(Code::denied, "operation is not permitted on predefined " + record.name + " network");
            return fail(Code::conflict, "network with name " + record.name + " already exists");
        }
        const auto overlap = [](const auto& subnet, const auto& others) {
            return subnet && std::any_of(others.begin(), others.end(),
                                         [&](const auto& other) { return other.overlaps(*subnet); });
        };
        if (overlap(record.subnet, impl_->subnets_of_others<Ipv4>(record.id)) ||
            overlap(record.subnet6, impl_->subnets_of_others<Ipv6>(record.id)))
            return fail(Code::denied, "invalid pool request: Pool overlaps with other one on this address space");
        impl_->set_up_ipam(*network);
        if (record.subnet) GANTRY_CHECK(impl_->reserve_for_options(*network));
        impl_->networks[record.id] = network;
    }
    const std::string id = record.id;
    ScopeGuard undo([&] {
        if (network->record.made || driver->offers("network.ipam/1"))
            (void)driver->call("network/1", "remove", {{"network", network_for_driver(network->record)}});
        (void)impl_->store.erase("network", id);
        std::lock_guard lock(impl_->mutex);
        impl_->networks.erase(id);
        impl_->changed.notify_all();
    });
    if (record.chosen_subnet || record.chosen_subnet6) GANTRY_CHECK(impl_->choose_subnets(network));
    if (driver->offers("network.ipam/1")) GANTRY_CHECK(impl_->agree(network).context("create network " + record.name));
    // The intent: a crash from here on leaves a record that the next start removes, with what the driver made.
    GANTRY_CHECK(impl_->save(network->record));
    GANTRY_FAILPOINT("network.create.recorded");
    GANTRY_CHECK(impl_->ensure_in_kernel(network).context("create network " + record.name));
    GANTRY_FAILPOINT("network.create.made");
    {
        std::lock_guard lock(impl_->mutex);
        record = network->record;
    }
    record.creating = false;
    GANTRY_CHECK(impl_->save(record));
    undo.dismiss();
    std::lock_guard lock(impl_->mutex);
    network->record.creating = false;
    return Json{{"Id", id}, {"Warning", ""}};
}

Result<void> NetworkService::remove(std::string_view name_or_id) {
    std::shared_lock change(impl_->changes);
    GANTRY_TRY(NetworkPtr network, impl_->find(name_or_id));
    GANTRY_TRY(auto driver, impl_->driver_of(network));
    NetworkRecord record;
    NetworkState::Kernel before{};
    {
        std::unique_lock lock(impl_->mutex);
        impl_->changed.wait(lock, [&] { return network->kernel != NetworkState::Kernel::making; });
        record = network->record;
        if (record.built_in) return fail(Code::denied, record.name + " is a pre-defined network and cannot be removed");
        if (network->kernel == NetworkState::Kernel::removing)
            return fail(Code::not_found, "network " + std::string(name_or_id) + " not found");
        std::string active;
        for (const EndpointRecord& endpoint : impl_->endpoints_of_network(record.id))
            active += std::string(active.empty() ? "" : ", ") + "name:\"" + endpoint.container_name + "\" id:\"" +
                      std::string(short_id(endpoint.id)) + "\"";
        if (!active.empty())
            return fail(Code::denied, "error while removing network: network " + record.name +
                                          " has active endpoints (" + active + ")");
        if (network->users > 0)
            return fail(Code::denied, "error while removing network: network " + record.name +
                                          " has active endpoints (a container is just being attached)");
        before = network->kernel;
        network->kernel = NetworkState::Kernel::removing;
    }
    ScopeGuard back([&] {
        std::lock_guard lock(impl_->mutex);
        network->kernel = before;
        impl_->changed.notify_all();
    });
    GANTRY_FAILPOINT("network.remove.begin");
    if (record.made) {
        auto removed = driver->call("network/1", "remove", {{"network", network_for_driver(record)}});
        if (!removed) return std::move(removed).error().context("error while removing network: network " + record.name);
    }
    GANTRY_FAILPOINT("network.remove.unmade");
    GANTRY_CHECK(impl_->store.erase("network", record.id));
    back.dismiss();
    if (auto removed = impl_->names.remove(record.id); !removed)
        log::warn("cannot remove a names file", {{"reason", removed.error().text}});
    std::lock_guard lock(impl_->mutex);
    impl_->networks.erase(record.id);
    impl_->peers.erase(record.id);
    return {};
}

Result<Json> NetworkService::inspect(std::string_view name_or_id) {
    GANTRY_TRY(NetworkPtr network, impl_->find(name_or_id));
    std::lock_guard lock(impl_->mutex);
    Json json = network_to_api(network->record);
    json["Containers"] = Json::object();
    for (const EndpointRecord& endpoint : impl_->endpoints_of_network(network->record.id))
        json["Containers"][endpoint.container] = endpoint_resource(endpoint);
    json["Status"] = network_status(network->record, network->ipam, network->ipam6);
    return json;
}

std::vector<Json> NetworkService::list() {
    std::lock_guard lock(impl_->mutex);
    std::vector<const NetworkRecord*> records;
    for (const auto& [id, network] : impl_->networks)
        if (!network->record.creating) records.push_back(&network->record);
    std::sort(records.begin(), records.end(),
              [](const NetworkRecord* a, const NetworkRecord* b) { return a->created_ns < b->created_ns; });
    std::vector<Json> all;
    for (const NetworkRecord* record : records) all.push_back(network_to_api(*record));
    return all;
}

Result<std::string> NetworkService::id_of(std::string_view name_or_id) {
    GANTRY_TRY(NetworkPtr network, impl_->find(name_or_id));
    return network->record.id;
}

}  // namespace gantry::network
