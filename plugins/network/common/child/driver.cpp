#include "plugins/network/common/child/driver.hpp"

#include <algorithm>

namespace gantry::child {

Result<ChildDriver::Plan> ChildDriver::plan_of(const Network& network) const {
    Plan plan;
    GANTRY_TRY(plan.options, kind_.read(network));
    const bool dummy = plan.options.parent.empty();
    plan.parent = {dummy ? dummy_of(network) : plan.options.parent, names_.of_parent(), dummy};
    if (plan.options.host_access)
        plan.host_link = HostLinkSpec{host_link_of(network),     names_.of_host(network), plan.parent.name,
                                      *plan.options.host_access, plan.options.mode,       plan.options.mtu};
    return plan;
}

Result<void> ChildDriver::reserve(const Network& network, const Plan& plan) {
    const Options& options = plan.options;
    std::lock_guard lock(mutex_);
    for (const auto& [id, other] : uses_) {
        if (id == network.id || other.parent != plan.parent.name) continue;
        if (options.alone || other.alone)
            return fail(Code::conflict, "parent interface \"" + other.parent + "\" is in use by network \"" +
                                            other.name + "\" in mode " + other.mode_text + ": mode " +
                                            (options.alone ? options.mode_text : other.mode_text) +
                                            " needs a parent of its own");
        if (options.one_mode && other.mode_text != options.mode_text)
            return fail(Code::conflict, "parent interface \"" + other.parent + "\" is in use by network \"" +
                                            other.name + "\" in mode " + other.mode_text +
                                            ": all its networks have the same mode, not " + options.mode_text);
    }
    uses_[network.id] = {network.name, plan.parent.name, options.mode_text, options.alone, options.one_mode};
    return {};
}

bool ChildDriver::knows(const Network& network) {
    std::lock_guard lock(mutex_);
    return uses_.contains(network.id);
}

Result<NetworkDriver::Ready> ChildDriver::ensure(Call&, const Network& network) {
    GANTRY_TRY(Plan plan, plan_of(network));
    GANTRY_TRY(auto kernel, netlink::Socket::open());
    GANTRY_TRY(const bool supported, kernel.knows_kind(kind_.name));
    if (!supported) return fail(Code::unsupported, std::string(kind_.name) + " is not supported by this kernel");
    const bool before = knows(network);
    GANTRY_CHECK(reserve(network, plan));
    ScopeGuard undo([&] {
        if (before) return;
        std::lock_guard lock(mutex_);
        uses_.erase(network.id);
    });
    GANTRY_TRY(netlink::Link parent, ensure_parent(kernel, plan.parent));
    if (plan.options.mtu > parent.mtu)
        return fail(Code::invalid, std::string("option \"") + option_mtu + "\" is " + std::to_string(plan.options.mtu) +
                                       ", more than the " + std::to_string(parent.mtu) + " of parent interface \"" +
                                       parent.name + "\"");
    Ready ready;
    ready.mtu = plan.options.mtu ? plan.options.mtu : parent.mtu;
    if (plan.host_link) {
        GANTRY_CHECK(ensure_host_link(kernel, *plan.host_link));
        ready.interface = plan.host_link->name;
        ready.resolver = {plan.host_link->address};
    }
    undo.dismiss();
    return ready;
}

Result<void> ChildDriver::remove(Call&, const Network& network) {
    GANTRY_TRY(Plan plan, plan_of(network));
    GANTRY_TRY(auto kernel, netlink::Socket::open());
    GANTRY_TRY(auto links, find_links(kernel, kind_.name, names_.of_network(network)));
    if (!links.empty())
        return fail(Code::busy, "network \"" + network.name + "\" still has " + std::to_string(links.size()) +
                                    " endpoints, one is interface \"" + links.front().link.name + "\" of a container");
    if (plan.host_link) GANTRY_CHECK(remove_host_link(kernel, *plan.host_link));
    bool last = true;
    {
        std::lock_guard lock(mutex_);
        uses_.erase(network.id);
        for (const auto& [id, other] : uses_) last = last && other.parent != plan.parent.name;
    }
    return last ? remove_parent(kernel, plan.parent) : Result<void>();
}

Result<NetworkDriver::State> ChildDriver::inspect(Call&, const Network& network) {
    GANTRY_TRY(Plan plan, plan_of(network));
    GANTRY_TRY(auto kernel, netlink::Socket::open());
    GANTRY_TRY(auto parent, kernel.find(plan.parent.name));
    std::optional<netlink::Link> host_link;
    if (plan.host_link) {
        GANTRY_TRY(host_link, kernel.find(plan.host_link->name));
    }
    State state;
    state.more["parent"] = plan.parent.name;
    state.more["interface"] = plan.host_link ? plan.host_link->name : "";
    if (!knows(network) && !host_link) return state;
    if (!parent)
        state.message = "parent interface \"" + plan.parent.name + "\" is missing";
    else if (!parent->up)
        state.message = "parent interface \"" + plan.parent.name + "\" is down";
    else if (plan.host_link && !host_link)
        state.message = "the host's interface \"" + plan.host_link->name + "\" is missing";
    else if (host_link && !host_link->up)
        state.message = "the host's interface \"" + host_link->name + "\" is down";
    else if (!knows(network))
        state.message = "the network is not ensured";
    state.state = state.message.empty() ? "ready" : "partial";
    return state;
}

Result<NetworkDriver::Attached> ChildDriver::attach(Call&, const Attach& to) {
    GANTRY_TRY(Plan plan, plan_of(to.network));
    if (to.endpoint.addresses.empty()) return fail(Code::invalid, "endpoint \"" + to.endpoint.id + "\" has no address");
    if (to.netns < 0)
        return fail(Code::invalid, "endpoint \"" + to.endpoint.id + "\" has no network namespace to attach to");
    GANTRY_TRY(auto kernel, netlink::Socket::open());
    LinkSpec spec;
    spec.kind = kind_.name;
    spec.network = to.network.name;
    spec.mark = names_.of_endpoint(to.network, to.endpoint);
    spec.siblings = names_.of_network(to.network);
    spec.group = names_.group();
    spec.parent = plan.parent.name;
    spec.interface = to.interface;
    spec.first_name = first_name_of(to.endpoint);
    spec.mac = to.endpoint.mac;
    spec.addresses = to.endpoint.addresses;
    spec.options = plan.options;
    // A parent that leads nowhere has no gateway behind it.
    if (to.default_gateway && !to.network.internal && !plan.parent.dummy) {
        spec.default_link = plan.options.routed;
        if (!plan.options.routed)
            for (const Subnet& subnet : to.network.subnets)
                if (!subnet.gateway.empty()) spec.gateways.push_back(subnet.gateway);
    }
    spec.netns = to.netns;
    spec.netlink = to.netlink;
    GANTRY_TRY(netlink::Link link, attach_link(host_, kernel, spec));
    if (plan.host_link)
        if (auto routed = add_host_routes(kernel, plan.host_link->name, spec.addresses); !routed) {
            if (auto found = find_endpoint(kernel, to.network, to.endpoint); found && *found)
                (void)kernel.remove_in((*found)->namespace_id, (*found)->link.index);
            return std::move(routed).error();
        }
    Attached attached;
    attached.interface = spec.interface;
    attached.mac = link.mac;
    attached.gateway = spec.gateways.empty() ? "" : spec.gateways.front();
    attached.addresses = spec.addresses;
    attached.mtu = link.mtu;
    return attached;
}

// With the namespace or without: the link is found by its mark, and a namespace that has ended takes it along.
Result<void> ChildDriver::detach(Call&, const Detach& from) {
    GANTRY_TRY(Plan plan, plan_of(from.network));
    GANTRY_TRY(auto kernel, netlink::Socket::open());
    if (plan.host_link) GANTRY_CHECK(remove_host_routes(kernel, plan.host_link->name, from.endpoint.addresses));
    if (from.netns >= 0) {
        GANTRY_TRY([[maybe_unused]] const int id, kernel.namespace_id(from.netns));
    }
    GANTRY_TRY(auto found, find_endpoint(kernel, from.network, from.endpoint));
    if (found) GANTRY_CHECK(kernel.remove_in(found->namespace_id, found->link.index));
    std::lock_guard lock(mutex_);
    last_seen_.erase(names_.of_endpoint(from.network, from.endpoint));
    return {};
}

Result<std::optional<Found>> ChildDriver::find_endpoint(netlink::Socket& host, const Network& network,
                                                        const Endpoint& endpoint) {
    const std::string mark = names_.of_endpoint(network, endpoint);
    std::optional<int> hint;
    {
        std::lock_guard lock(mutex_);
        if (auto seen = last_seen_.find(mark); seen != last_seen_.end()) hint = seen->second;
    }
    if (hint) {
        GANTRY_TRY(auto links, host.list_in(*hint, kind_.name));
        for (netlink::Link& link : links)
            if (link.alias == mark) return std::optional<Found>(Found{*hint, std::move(link)});
    }
    GANTRY_TRY(auto found, find_links(host, kind_.name, mark));
    std::lock_guard lock(mutex_);
    if (found.empty()) {
        last_seen_.erase(mark);
        return std::optional<Found>();
    }
    last_seen_[mark] = found.front().namespace_id;
    return std::optional<Found>(std::move(found.front()));
}

Result<NetworkDriver::State> ChildDriver::inspect_endpoint(Call&, const Network& network, const Endpoint& endpoint) {
    GANTRY_TRY(auto kernel, netlink::Socket::open());
    GANTRY_TRY(auto found, find_endpoint(kernel, network, endpoint));
    State state;
    state.more["host_interface"] = "";
    if (!found) return state;
    state.more["interface"] = found->link.name;
    state.more["mac"] = found->link.mac;
    state.state = found->link.up ? "ready" : "partial";
    if (!found->link.up) state.message = "interface \"" + found->link.name + "\" of the container is down";
    return state;
}

Result<Json> ChildDriver::stats(Call&, const Network& network, const Endpoint& endpoint) {
    GANTRY_TRY(auto kernel, netlink::Socket::open());
    GANTRY_TRY(auto found, find_endpoint(kernel, network, endpoint));
    if (!found) return fail(Code::not_found, "the interface of endpoint \"" + endpoint.id + "\" is not there");
    return Json(found->link.counters);
}

}  // namespace gantry::child
