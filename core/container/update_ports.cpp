// POST /containers/{id}/update with PublishAdd and PublishRm, which are ours: published ports of a container, running or not.
#include "core/container/entry.hpp"
#include "core/container/network_wishes.hpp"
#include "core/container/port_changes.hpp"

namespace gantry::container {
namespace {

Result<void> can_publish(const Container& c, const std::string& mode) {
    if (mode.starts_with("container:"))
        return fail(Code::invalid, "conflicting options: port publishing and the container type network mode");
    if (mode == network::host_network)
        return fail(Code::conflict, "container \"" + c.name + "\" has the host's network: its ports are the host's");
    if (mode == network::none_network)
        return fail(Code::conflict, "container \"" + c.name + "\" has no network to publish ports of");
    return {};
}

}  // namespace

// The caller holds entry.operation. `host_config`: with all else that shall change.
Result<void> ContainerService::update_ports(Entry& entry, Json host_config, const Json& add, const Json& remove) {
    Container after = entry.snapshot();
    std::vector<network::Port> bound;
    {
        std::lock_guard lock(entry.mutex);
        bound = entry.ports;
    }
    const Json before = std::exchange(after.host_config, std::move(host_config));
    GANTRY_TRY(NetworkWishes wishes, network_wishes(after));
    GANTRY_CHECK(can_publish(after, wishes.mode));
    GANTRY_TRY(PortChanges changes, change_ports(after, bound, add, remove));
    after.host_config["PortBindings"] = std::move(changes.bindings);
    after.host_config["PublishAllPorts"] = false;
    GANTRY_TRY(wishes, network_wishes(after));
    GANTRY_CHECK(with_.networks.check(wishes.mode, wishes.endpoints, wishes.ports));

    const auto record = [&](network::NetworkService::Recorded step, const std::function<Result<void>()>& ports) {
        std::lock_guard lock(entry.mutex);
        Json known = std::exchange(entry.record.host_config,
                                   step == network::NetworkService::Recorded::change ? after.host_config : before);
        auto done = with_.store.transact([&]() -> Result<void> {
            GANTRY_CHECK(ports());
            return save(entry);
        });
        if (!done) entry.record.host_config = std::move(known);
        return done;
    };
    if (!after.active()) return record(network::NetworkService::Recorded::change, [] { return Result<void>(); });
    GANTRY_TRY(bound, with_.networks.change_ports(after.id, changes.removed, changes.added, record));
    std::lock_guard lock(entry.mutex);
    entry.ports = std::move(bound);
    return {};
}

}  // namespace gantry::container
