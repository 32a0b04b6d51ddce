// Changes to a container that runs: further networks, fewer networks, another name; and its counters.
#include <algorithm>

#include <gantry/driver.hpp>

#include "core/base/failpoint.hpp"
#include "core/base/log.hpp"
#include "core/network/api.hpp"
#include "core/network/impl.hpp"

namespace gantry::network {
namespace {

std::string free_interface(const std::vector<EndpointRecord>& endpoints) {
    for (int number = 0;; ++number) {
        const std::string name = "eth" + std::to_string(number);
        if (std::none_of(endpoints.begin(), endpoints.end(),
                         [&](const EndpointRecord& e) { return e.interface == name; }))
            return name;
    }
}

const EndpointRecord* current_gateway(const std::vector<EndpointRecord>& endpoints) {
    for (const EndpointRecord& endpoint : endpoints)
        if (endpoint.default_gateway) return &endpoint;
    return nullptr;
}

Result<void> refuse_without_interfaces(const driver::Driver& driver) {
    switch (mode_of(driver)) {
    case Mode::interfaces: return {};
    case Mode::host:
        return fail(Code::denied, "container cannot be disconnected from host network or connected to host network");
    case Mode::none:
        return fail(
            Code::denied,
            "container cannot be connected to multiple networks with one of the networks in private (none) mode");
    }
    return {};
}

}  // namespace

// Default route and published ports go from one endpoint of a container to another. `from` without an id: it has been
// released already, and its ports stand in it as wishes.
Result<void> NetworkService::Impl::move_gateway(EndpointRecord from, EndpointRecord to, int netns) {
    // Addresses of a family that the other network does not have stay unpublished.
    std::vector<Port> wishes = from.ports;
    std::erase_if(wishes, [&](const Port& port) {
        return port.host_address.find(':') != std::string::npos ? to.address6 == 0 : to.address == 0;
    });
    NetworkPtr old_network, new_network;
    {
        std::lock_guard lock(mutex);
        if (auto found = networks.find(from.network); found != networks.end()) old_network = found->second;
        new_network = networks.at(to.network);
    }
    if (!from.id.empty() && old_network) {
        if (!from.ports.empty()) {
            GANTRY_CHECK(expose(old_network, from, {}));
            take_back(from);
        }
        from.default_gateway = false;
        GANTRY_CHECK(record({from}));
        std::lock_guard lock(mutex);
        endpoints[from.id] = from;
    }
    to.default_gateway = true;
    GANTRY_CHECK(record({to}));
    {
        std::lock_guard lock(mutex);
        endpoints[to.id] = to;
    }
    GANTRY_TRY([[maybe_unused]] auto reply, attach_one(new_network, to, netns));
    return publish(new_network, to, wishes);
}

Result<Json> NetworkService::connect(std::string_view name, const std::string& container_id,
                                     const std::string& container_name, const EndpointWish& wish, int netns) {
    std::shared_lock change(impl_->changes);
    Impl& impl = *impl_;
    EndpointWish named = wish;
    named.network = name;
    GANTRY_TRY(std::vector<Joining> joinings, impl.resolve(named.network, {named}));
    const Joining& joining = joinings.front();
    const NetworkPtr& network = joining.network;
    GANTRY_TRY(auto driver, impl.driver_of(network));
    GANTRY_CHECK(refuse_without_interfaces(*driver));
    if (netns < 0) return fail(Code::invalid, "container " + container_name + " has no network namespace to connect");
    const auto before = impl.endpoints_of_container(container_id);
    for (const EndpointRecord& endpoint : before) {
        if (endpoint.network == network->record.id)
            return fail(Code::denied,
                        "endpoint with name " + container_name + " already exists in network " + network->record.name);
        GANTRY_TRY(NetworkPtr other, impl.find(endpoint.network));
        GANTRY_TRY(auto other_driver, impl.driver_of(other));
        GANTRY_CHECK(refuse_without_interfaces(*other_driver));
    }
    Users users(impl);
    GANTRY_CHECK(users.add(network));
    GANTRY_CHECK(impl.ensure_in_kernel(network));

    GANTRY_TRY(EndpointRecord endpoint,
               impl.new_endpoint(joining, container_id, container_name, before.empty() ? "" : before.front().hostname));
    ScopeGuard undo([&] {
        if (auto released = impl.release_all({endpoint}, netns); !released)
            log::warn("cannot undo a connection", {{"container", container_id}, {"reason", released.error().text}});
    });
    endpoint.interface = free_interface(before);
    const EndpointRecord* gateway = current_gateway(before);
    const bool may_route = !network->record.internal && network->record.addressed();
    endpoint.default_gateway = may_route && !gateway;
    {
        std::lock_guard lock(impl.mutex);
        impl.endpoints[endpoint.id] = endpoint;
    }
    GANTRY_CHECK(impl.record({endpoint}));
    GANTRY_FAILPOINT("network.connect.recorded");
    GANTRY_TRY(auto reply, impl.attach_one(network, endpoint, netns));
    GANTRY_CHECK(impl.learn(endpoint, reply));
    GANTRY_FAILPOINT("network.connect.attached");
    if (may_route && gateway && endpoint.gateway_priority > gateway->gateway_priority)
        GANTRY_CHECK(impl.move_gateway(*gateway, endpoint, netns));
    std::set<std::string> touched{endpoint.network};
    for (const EndpointRecord& other : before) touched.insert(other.network);
    GANTRY_CHECK(impl.write_names(touched));
    undo.dismiss();
    std::lock_guard lock(impl.mutex);
    return endpoint_settings(network->record, impl.endpoints[endpoint.id]);
}

Result<void> NetworkService::disconnect(std::string_view name, const std::string& container_id, int netns, bool force) {
    std::shared_lock change(impl_->changes);
    Impl& impl = *impl_;
    GANTRY_TRY(NetworkPtr network, impl.find(name));
    GANTRY_TRY(auto driver, impl.driver_of(network));
    if (mode_of(*driver) == Mode::host)
        return fail(Code::denied, "container cannot be disconnected from host network or connected to host network");
    auto endpoints = impl.endpoints_of_container(container_id);
    auto found = std::find_if(endpoints.begin(), endpoints.end(),
                              [&](const EndpointRecord& e) { return e.network == network->record.id; });
    if (found == endpoints.end()) {
        if (force) return {};
        return fail(Code::denied, "container " + container_id + " is not connected to network " + network->record.name);
    }
    EndpointRecord leaving = *found;
    endpoints.erase(found);
    GANTRY_CHECK(impl.release_all({leaving}, netns));
    GANTRY_FAILPOINT("network.disconnect.released");
    std::set<std::string> touched;
    for (const EndpointRecord& other : endpoints) touched.insert(other.network);
    GANTRY_CHECK(impl.write_names(touched));
    if (!leaving.default_gateway || netns < 0) return {};
    const EndpointRecord* next = nullptr;
    {
        std::lock_guard lock(impl.mutex);
        for (const EndpointRecord& other : endpoints) {
            auto candidate = impl.networks.find(other.network);
            if (candidate == impl.networks.end() || candidate->second->record.internal || !other.addressed()) continue;
            if (!next || other.gateway_priority > next->gateway_priority) next = &other;
        }
    }
    if (!next) return {};
    leaving.id.clear();
    return impl.move_gateway(leaving, *next, netns);
}

void NetworkService::rename(const std::string& container_id, const std::string& new_name) {
    std::set<std::string> touched;
    for (EndpointRecord endpoint : impl_->endpoints_of_container(container_id)) {
        endpoint.container_name = new_name;
        if (auto saved = impl_->store.put("endpoint", {endpoint.id, "", 1, endpoint.to_store()}); !saved)
            log::warn("cannot record the new name of an endpoint",
                      {{"endpoint", endpoint.id}, {"reason", saved.error().text}});
        {
            std::lock_guard lock(impl_->mutex);
            if (auto known = impl_->endpoints.find(endpoint.id); known != impl_->endpoints.end())
                known->second.container_name = new_name;
        }
        touched.insert(endpoint.network);
        impl_->announce(endpoint);
    }
    if (auto written = impl_->write_names(touched); !written)
        log::warn("cannot write names", {{"reason", written.error().text}});
}

Result<Json> NetworkService::stats(const std::string& container_id) {
    Json all = Json::object();
    for (const EndpointRecord& endpoint : impl_->endpoints_of_container(container_id)) {
        if (endpoint.interface.empty()) continue;
        GANTRY_TRY(NetworkPtr network, impl_->find(endpoint.network));
        GANTRY_TRY(auto driver, impl_->driver_of(network));
        if (!driver->offers("network.stats/1")) continue;
        NetworkRecord record;
        {
            std::lock_guard lock(impl_->mutex);
            record = network->record;
        }
        GANTRY_TRY(driver::Reply reply,
                   driver->call("network.stats/1", "stats",
                                {{"network", network_for_driver(record)}, {"endpoint", endpoint_for_driver(endpoint)}},
                                {}, driver::Deadline::fast));
        all[endpoint.interface] = reply.result;
    }
    return all;
}

}  // namespace gantry::network
