// Ports of a container that runs are published and taken back: recorded first, then changed in the kernel. What is cut off in
// between is brought to its end by the next reconcile(), from the record.
#include <algorithm>

#include "core/base/failpoint.hpp"
#include "core/base/log.hpp"
#include "core/network/impl.hpp"

namespace gantry::network {

Result<void> NetworkService::Impl::record_ports(const EndpointRecord& before, const EndpointRecord& after) {
    std::set<std::string> keep;
    for (const Port& port : after.ports)
        if (port.of_host()) keep.insert(PortTable::key(port));
    for (const Port& port : before.ports)
        if (port.of_host() && !keep.contains(PortTable::key(port)))
            GANTRY_CHECK(store.release("port", PortTable::key(port), after.id));
    for (const std::string& key : keep) GANTRY_CHECK(store.claim("port", key, after.id));
    return store.put("endpoint", {after.id, "", 1, after.to_store()});
}

Result<std::vector<Port>> NetworkService::change_ports(const std::string& container_id,
                                                       const std::vector<Port>& removed, const std::vector<Port>& added,
                                                       const Record& record) {
    std::shared_lock change(impl_->changes);
    Impl& impl = *impl_;
    const auto endpoints = impl.endpoints_of_container(container_id);
    const auto gateway =
        std::find_if(endpoints.begin(), endpoints.end(), [](const EndpointRecord& e) { return e.default_gateway; });
    if (gateway == endpoints.end()) {
        if (!added.empty())
            return fail(Code::conflict, "a port cannot be published: none of the container's networks leads outside");
        GANTRY_CHECK(record(Recorded::change, [] { return Result<void>(); }));
        return std::vector<Port>();
    }
    const EndpointRecord& before = *gateway;
    GANTRY_TRY(NetworkPtr network, impl.find(before.network));
    const bool any_number =
        std::any_of(added.begin(), added.end(), [](const Port& port) { return port.host_port == 0; });
    for (int attempt = 1;; ++attempt) {
        EndpointRecord after = before;
        std::erase_if(after.ports, [&](const Port& port) {
            return std::find(removed.begin(), removed.end(), port) != removed.end();
        });
        GANTRY_CHECK(impl.claim_ports(after, added, before.ports));
        bool recorded = false;
        const auto done = [&]() -> Result<void> {
            GANTRY_CHECK(record(Recorded::change, [&] { return impl.record_ports(before, after); }));
            recorded = true;
            GANTRY_FAILPOINT("network.ports.recorded");
            return impl.expose(network, after, after.ports);
        }();
        GANTRY_FAILPOINT_VOID("network.ports.exposed");
        if (!done && recorded) {
            auto back = record(Recorded::take_back, [&] { return impl.record_ports(after, before); });
            // A driver that refuses has changed nothing; of one that was not heard in time nobody knows.
            if (back && done.error().code != Code::conflict) back = impl.expose(network, before, before.ports);
            if (!back)
                log::error("published ports could not be taken back",
                           {{"container", container_id}, {"reason", back.error().text}});
        }
        const EndpointRecord &kept = done ? after : before, &given_up = done ? before : after;
        {
            std::lock_guard lock(impl.mutex);
            impl.unclaim(before, given_up.ports, kept.ports);
            impl.endpoints[before.id].ports = kept.ports;
        }
        if (done) return after.ports;
        if (done.error().code != Code::conflict || !any_number || attempt == ephemeral_attempts) return done.error();
    }
}

}  // namespace gantry::network
