// A container starts: its namespace, endpoints, addresses, ports, names; and ends.
#include <algorithm>

#include <gantry/driver.hpp>

#include "core/base/failpoint.hpp"
#include "core/base/ids.hpp"
#include "core/base/log.hpp"
#include "core/network/api.hpp"
#include "core/network/impl.hpp"
#include "core/network/validate.hpp"

namespace gantry::network {
namespace {

constexpr std::string_view container_mode = "container:";

template <typename Address>
std::string address_space(const EndpointRecord& endpoint) {
    return FamilyOf<Address>::key + ("/" + endpoint.network);
}

// The one that provides the default route: the highest priority, then the name that sorts first. None: nullptr.
const Joining* gateway_of(const std::vector<Joining>& joinings) {
    const Joining* best = nullptr;
    for (const Joining& joining : joinings) {
        const NetworkRecord& record = joining.network->record;
        if (record.internal || !record.addressed()) continue;
        if (!best || joining.wish.gateway_priority > best->wish.gateway_priority ||
            (joining.wish.gateway_priority == best->wish.gateway_priority && record.name < best->network->record.name))
            best = &joining;
    }
    return best;
}

template <typename Address>
Result<void> check_fixed_address(const NetworkRecord& network, const std::optional<PrefixOf<Address>>& subnet,
                                 bool chosen, const std::string& text) {
    if (text.empty()) return {};
    auto address = FamilyOf<Address>::parse(text);
    if (!address) return fail(Code::invalid, std::string("invalid ") + FamilyOf<Address>::name + " address: " + text);
    if (network.built_in)
        return fail(Code::invalid, "user specified IP address is supported on user defined networks only");
    if (chosen || !subnet)
        return fail(
            Code::invalid,
            "user specified IP address is supported only when connecting to networks with user configured subnets");
    if (!subnet->contains(*address)) return fail(Code::invalid, "no configured subnet contains IP address " + text);
    return {};
}

// The host's addresses at which a port of the endpoint is published.
Result<std::vector<std::string>> host_addresses_of(const Port& port, const EndpointRecord& endpoint,
                                                   const NetworkState& network) {
    const auto has = [&](const std::string& host_address) {
        return host_address.find(':') != std::string::npos ? endpoint.address6 != 0 : endpoint.address != 0;
    };
    if (!port.host_address.empty()) {
        if (has(port.host_address)) return std::vector{port.host_address};
        const bool six = port.host_address.find(':') != std::string::npos;
        return fail(Code::invalid, "port on address \"" + port.host_address + "\": network \"" + network.record.name +
                                       "\" has no " + (six ? "IPv6" : "IPv4"));
    }
    std::vector<std::string> addresses;
    std::copy_if(network.host_addresses.begin(), network.host_addresses.end(), std::back_inserter(addresses), has);
    if (addresses.empty())
        return fail(Code::invalid, "port " + std::to_string(port.container_port) + "/" + port.protocol +
                                       ": network \"" + network.record.name + "\" publishes no ports of this family");
    return addresses;
}

// The address of a new endpoint: the one that is wished for, or a free one.
template <typename Address>
Result<Address> take_address(IpamOf<Address>& ipam, const NetworkRecord& network, const std::string& fixed) {
    if (fixed.empty()) {
        auto address = ipam.take();
        if (!address)
            return fail(address.error().code, std::string("no available ") + FamilyOf<Address>::name +
                                                  " addresses on this network's address pools: " + network.name + " (" +
                                                  network.id + ")");
        return *address;
    }
    const Address address = FamilyOf<Address>::parse(fixed).value_or(0);
    GANTRY_CHECK(ipam.take(address));
    return address;
}

}  // namespace

// The networks of a container, the one that gives eth0 first.
Result<std::vector<Joining>> NetworkService::Impl::resolve(const std::string& network_mode,
                                                           const std::vector<EndpointWish>& wishes) {
    const std::string first =
        network_mode.empty() || network_mode == "default" ? std::string(default_network) : network_mode;
    std::vector<EndpointWish> all = wishes;
    if (all.empty()) {
        all.emplace_back();
        all.back().network = first;
    }
    std::vector<Joining> joinings;
    for (EndpointWish& wish : all) {
        GANTRY_TRY(NetworkPtr network,
                   find(wish.network == "default" ? default_network : std::string_view(wish.network)));
        if (std::any_of(joinings.begin(), joinings.end(), [&](const Joining& j) { return j.network == network; }))
            return fail(Code::invalid, "network " + wish.network + " is named twice");
        GANTRY_TRY(auto driver, driver_of(network));
        const Mode mode = mode_of(*driver);
        if (mode != Mode::interfaces && all.size() > 1)
            return fail(Code::invalid,
                        "container cannot be connected to multiple networks with one of the networks in " +
                            std::string(mode == Mode::host ? "host" : "private (none)") + " mode");
        const NetworkRecord& record = network->record;
        GANTRY_CHECK(check_fixed_address<Ipv4>(record, record.subnet, record.chosen_subnet, wish.ipv4));
        GANTRY_CHECK(check_fixed_address<Ipv6>(record, record.subnet6, record.chosen_subnet6, wish.ipv6));
        if (!wish.mac.empty()) {
            GANTRY_TRY(wish.mac, checked_mac(wish.mac));
        }
        joinings.push_back({network, std::move(wish)});
    }
    auto primary = find(first);
    std::sort(joinings.begin(), joinings.end(), [&](const Joining& a, const Joining& b) {
        const bool a_first = primary && a.network == *primary, b_first = primary && b.network == *primary;
        return a_first != b_first ? a_first : a.network->record.name < b.network->record.name;
    });
    return joinings;
}

Result<void> NetworkService::check(const std::string& network_mode, const std::vector<EndpointWish>& wishes,
                                   const std::vector<Port>& ports) {
    for (const Port& port : ports) {
        GANTRY_TRY([[maybe_unused]] auto checked, checked_port(port));
    }
    if (network_mode.starts_with(container_mode)) {
        if (network_mode.size() == container_mode.size())
            return fail(Code::invalid, "invalid container format container:<name|id>");
        if (!ports.empty())
            return fail(Code::invalid, "conflicting options: port publishing and the container type network mode");
        if (!wishes.empty())
            return fail(Code::invalid,
                        "conflicting options: cannot attach both user-defined and non-user-defined network-modes");
        return {};
    }
    GANTRY_TRY([[maybe_unused]] auto joinings, impl_->resolve(network_mode, wishes));
    return {};
}

// A new endpoint with an address taken in memory; forget() gives it back.
Result<EndpointRecord> NetworkService::Impl::new_endpoint(const Joining& joining, const std::string& container_id,
                                                          const std::string& container_name,
                                                          const std::string& hostname) {
    EndpointRecord endpoint;
    endpoint.id = new_id();
    endpoint.container = container_id;
    endpoint.container_name = container_name;
    endpoint.hostname = hostname;
    endpoint.aliases = joining.wish.aliases;
    endpoint.links = joining.wish.links;
    endpoint.fixed_ipv4 = joining.wish.ipv4;
    endpoint.fixed_ipv6 = joining.wish.ipv6;
    endpoint.fixed_mac = joining.wish.mac;
    endpoint.driver_options = joining.wish.driver_options;
    endpoint.gateway_priority = joining.wish.gateway_priority;
    GANTRY_TRY(const std::optional<Ipv4> agreed, take_agreed(joining));
    std::lock_guard lock(mutex);
    NetworkState& network = *joining.network;
    endpoint.network = network.record.id;
    if (network.record.subnet) {
        if (agreed) {
            endpoint.address = *agreed;
        } else {
            GANTRY_TRY(endpoint.address, take_address(network.ipam, network.record, endpoint.fixed_ipv4));
        }
        endpoint.prefix_length = network.record.subnet->length;
    }
    if (network.record.subnet6) {
        auto address = take_address(network.ipam6, network.record, endpoint.fixed_ipv6);
        if (!address) {
            if (endpoint.address) network.ipam.give_back(endpoint.address);
            return std::move(address).error();
        }
        endpoint.address6 = *address;
        endpoint.prefix_length6 = network.record.subnet6->length;
    }
    if (endpoint.addressed())
        endpoint.mac = !endpoint.fixed_mac.empty() ? endpoint.fixed_mac
                       : endpoint.address          ? mac_of(endpoint.address)
                                                   : mac_of(endpoint.address6);
    endpoints[endpoint.id] = endpoint;
    return endpoint;
}

Result<void> NetworkService::Impl::record(const std::vector<EndpointRecord>& list) {
    return store.transact([&]() -> Result<void> {
        for (const EndpointRecord& endpoint : list) {
            if (endpoint.address)
                GANTRY_CHECK(store.claim(address_space<Ipv4>(endpoint), show(endpoint.address), endpoint.id));
            if (endpoint.address6)
                GANTRY_CHECK(store.claim(address_space<Ipv6>(endpoint), show(endpoint.address6), endpoint.id));
            for (const Port& port : endpoint.ports)
                if (port.of_host()) GANTRY_CHECK(store.claim("port", PortTable::key(port), endpoint.id));
            GANTRY_CHECK(store.put("endpoint", {endpoint.id, "", 1, endpoint.to_store()}));
        }
        return {};
    });
}

Result<driver::Reply> NetworkService::Impl::attach_one(const NetworkPtr& network, const EndpointRecord& endpoint,
                                                       int netns, int netlink) {
    GANTRY_TRY(auto driver, driver_of(network));
    NetworkRecord record;
    {
        std::lock_guard lock(mutex);
        record = network->record;
    }
    Json request{{"network", network_for_driver(record)},
                 {"endpoint", endpoint_for_driver(endpoint)},
                 {"sandbox", {{"id", endpoint.container}, {"kind", "netns"}}},
                 {"interface", endpoint.interface},
                 {"default_gateway", endpoint.default_gateway}};
    std::vector<driver::NamedFd> fds;
    if (netns >= 0) fds.push_back({"netns", netns});
    if (netlink >= 0) fds.push_back({"netlink", netlink});
    auto reply = driver->call("network/1", "attach", request, fds);
    if (reply || reply.error().code != Code::not_found) return reply;
    // Somebody has removed the network behind our back: once more from the start.
    {
        std::lock_guard lock(mutex);
        if (network->kernel == NetworkState::Kernel::ready) network->kernel = NetworkState::Kernel::absent;
    }
    GANTRY_CHECK(ensure_in_kernel(network));
    return driver->call("network/1", "attach", std::move(request), fds);
}

Result<void> NetworkService::Impl::learn(EndpointRecord& endpoint, const driver::Reply& reply) {
    const auto mac = member<std::string>(reply.result, "mac");
    if (mac.empty() || mac == endpoint.mac) return {};
    endpoint.mac = mac;
    {
        std::lock_guard lock(mutex);
        endpoints[endpoint.id].mac = mac;
    }
    return record({endpoint});
}

Result<void> NetworkService::Impl::claim_ports(EndpointRecord& endpoint, const std::vector<Port>& wishes,
                                               const std::vector<Port>& held) {
    std::lock_guard lock(mutex);
    const NetworkState& network = *networks.at(endpoint.network);
    std::vector<Port> claimed;
    ScopeGuard undo([&] { unclaim(endpoint, claimed, held); });
    for (const Port& wish : wishes) {
        GANTRY_TRY(Port port, checked_port(wish));
        GANTRY_TRY(auto addresses, host_addresses_of(port, endpoint, network));
        // Where containers are reached at their own addresses, no port of the host is anybody's.
        std::erase_if(addresses, [&](const std::string& address) {
            const std::string any = address.find(':') != std::string::npos ? "::" : "0.0.0.0";
            if (std::find(network.direct.begin(), network.direct.end(), any) == network.direct.end()) return false;
            const Port one{port.protocol, port.container_port, any, 0};
            const auto is_one = [&](const std::vector<Port>& list) {
                return std::find(list.begin(), list.end(), one) != list.end();
            };
            if (!is_one(endpoint.ports) && !is_one(claimed)) claimed.push_back(one);
            return true;
        });
        if (addresses.empty()) continue;
        // One number for both families.
        if (port.host_port == 0) {
            GANTRY_TRY(port.host_port, ports.claim_ephemeral(port.protocol, addresses, endpoint.id));
            for (const std::string& address : addresses)
                claimed.push_back({port.protocol, port.container_port, address, port.host_port});
            continue;
        }
        for (const std::string& address : addresses) {
            const Port one{port.protocol, port.container_port, address, port.host_port};
            if (std::find(claimed.begin(), claimed.end(), one) != claimed.end()) continue;  // wished for twice
            const auto meets = [&](const Port& own) { return PortTable::overlap(own, one); };
            if (std::any_of(endpoint.ports.begin(), endpoint.ports.end(), meets) ||
                std::any_of(claimed.begin(), claimed.end(), meets))
                return PortTable::taken(one);
            GANTRY_CHECK(ports.claim(one, endpoint.id));
            claimed.push_back(one);
        }
    }
    undo.dismiss();
    endpoint.ports.insert(endpoint.ports.end(), claimed.begin(), claimed.end());
    endpoints[endpoint.id].ports = endpoint.ports;
    return {};
}

void NetworkService::Impl::unclaim(const EndpointRecord& endpoint, const std::vector<Port>& list,
                                   const std::vector<Port>& held) {
    std::set<std::string> keep;
    for (const Port& port : held) keep.insert(PortTable::key(port));
    for (const Port& port : list)
        if (!keep.contains(PortTable::key(port))) ports.release(port, endpoint.id);
}

void NetworkService::Impl::take_back(EndpointRecord& endpoint) {
    (void)store.release_all("port", endpoint.id);
    std::lock_guard lock(mutex);
    for (const Port& port : endpoint.ports) ports.release(port, endpoint.id);
    endpoint.ports.clear();
    endpoints[endpoint.id].ports.clear();
}

Result<void> NetworkService::Impl::expose(const NetworkPtr& network, const EndpointRecord& endpoint,
                                          const std::vector<Port>& list) {
    GANTRY_TRY(auto driver, driver_of(network));
    if (!driver->offers("network.expose/1")) {
        if (list.empty()) return {};
        return fail(Code::unsupported, "driver \"" + driver->name() + "\" of network \"" + network->record.name +
                                           "\" cannot publish ports");
    }
    NetworkRecord record;
    {
        std::lock_guard lock(mutex);
        record = network->record;
    }
    GANTRY_TRY([[maybe_unused]] auto reply, driver->call("network.expose/1", "expose",
                                                         {{"network", network_for_driver(record)},
                                                          {"endpoint", endpoint_for_driver(endpoint)},
                                                          {"ports", ports_for_driver(list)}}));
    return {};
}

// Ports without a number are given free ones; one that turns out to be held by a program of the host is replaced.
Result<void> NetworkService::Impl::publish(const NetworkPtr& network, EndpointRecord& endpoint,
                                           const std::vector<Port>& wishes) {
    if (wishes.empty()) return {};
    const bool any_number =
        std::any_of(wishes.begin(), wishes.end(), [](const Port& port) { return port.host_port == 0; });
    for (int attempt = 1;; ++attempt) {
        GANTRY_CHECK(claim_ports(endpoint, wishes, {}));
        auto done = record({endpoint});
        if (done) done = expose(network, endpoint, endpoint.ports);
        if (done) return {};
        take_back(endpoint);
        if (done.error().code != Code::conflict || !any_number || attempt == ephemeral_attempts) return done;
    }
}

void NetworkService::Impl::forget(const EndpointRecord& endpoint) {
    if (auto network = networks.find(endpoint.network); network != networks.end()) {
        if (endpoint.address) network->second->ipam.give_back(endpoint.address);
        if (endpoint.address6) network->second->ipam6.give_back(endpoint.address6);
    }
    for (const Port& port : endpoint.ports) ports.release(port, endpoint.id);
    endpoints.erase(endpoint.id);
}

Result<void> NetworkService::Impl::release(const EndpointRecord& endpoint, int netns) {
    NetworkPtr network;
    NetworkRecord record;
    {
        std::lock_guard lock(mutex);
        auto found = networks.find(endpoint.network);
        if (found != networks.end()) {
            network = found->second;
            record = network->record;
        }
    }
    if (network && record.made) {
        GANTRY_TRY(auto driver, driver_of(network));
        if (!endpoint.ports.empty()) GANTRY_CHECK(expose(network, endpoint, {}));
        GANTRY_FAILPOINT("network.detach.taken_back");
        std::vector<driver::NamedFd> fds;
        if (netns >= 0) fds.push_back({"netns", netns});
        GANTRY_TRY([[maybe_unused]] auto reply,
                   driver->call("network/1", "detach",
                                {{"network", network_for_driver(record)},
                                 {"endpoint", endpoint_for_driver(endpoint)},
                                 {"sandbox", {{"id", endpoint.container}, {"gone", netns < 0}}}},
                                fds));
    }
    GANTRY_FAILPOINT("network.detach.detached");
    GANTRY_CHECK(store.transact([&]() -> Result<void> {
        if (endpoint.address)
            GANTRY_CHECK(store.release(address_space<Ipv4>(endpoint), show(endpoint.address), endpoint.id));
        if (endpoint.address6)
            GANTRY_CHECK(store.release(address_space<Ipv6>(endpoint), show(endpoint.address6), endpoint.id));
        if (!endpoint.ports.empty()) GANTRY_CHECK(store.release_all("port", endpoint.id));
        return store.erase("endpoint", endpoint.id);
    }));
    {
        std::lock_guard lock(mutex);
        forget(endpoint);
    }
    if (network) release_agreed(network, record, endpoint);
    return {};
}

Result<void> NetworkService::Impl::release_all(const std::vector<EndpointRecord>& list, int netns) {
    Result<void> first;
    std::set<std::string> touched;
    for (const EndpointRecord& endpoint : list) {
        auto released = release(endpoint, netns);
        if (!released) {
            log::warn(
                "cannot release an endpoint",
                {{"container", endpoint.container}, {"endpoint", endpoint.id}, {"reason", released.error().text}});
            if (first) first = released;
        }
        if (endpoint.addressed()) touched.insert(endpoint.network);
    }
    auto written = write_names(touched);
    return first ? written : first;
}

Attached NetworkService::Impl::describe(std::vector<EndpointRecord> list) {
    Attached attached;
    attached.settings = Json::object();
    std::stable_sort(list.begin(), list.end(), [](const EndpointRecord& a, const EndpointRecord& b) {
        return a.default_gateway > b.default_gateway;
    });
    std::lock_guard lock(mutex);
    for (const EndpointRecord& endpoint : list) {
        auto network = networks.find(endpoint.network);
        if (network == networks.end()) continue;
        attached.settings[network->second->record.name] = endpoint_settings(network->second->record, endpoint);
        if (!endpoint.addressed()) {
            if (network->second->driver)
                attached.mode =
                    mode_of(*network->second->driver) == Mode::host ? Attached::Mode::host : Attached::Mode::none;
            continue;
        }
        for (const std::string& resolver : network->second->resolvers) attached.resolvers.push_back(resolver);
        if (!endpoint.hostname.empty())
            for (const std::string& address : endpoint.addresses())
                attached.hosts.emplace_back(address, endpoint.hostname);
        attached.ports.insert(attached.ports.end(), endpoint.ports.begin(), endpoint.ports.end());
    }
    return attached;
}

Result<Attached> NetworkService::attach(const std::string& container_id, const std::string& container_name,
                                        const std::string& hostname, const std::string& network_mode,
                                        const std::vector<EndpointWish>& wishes, const std::vector<Port>& ports,
                                        const std::function<void(int netns)>& netns_ready) {
    Impl& impl = *impl_;
    if (network_mode.starts_with(container_mode)) {
        Attached attached;
        attached.mode = Attached::Mode::container;
        attached.join = network_mode.substr(container_mode.size());
        attached.settings = Json::object();
        return attached;
    }
    GANTRY_TRY(std::vector<Joining> joinings, impl.resolve(network_mode, wishes));
    // What an interrupted end of the same container left.
    if (auto stale = impl.endpoints_of_container(container_id); !stale.empty())
        GANTRY_CHECK(impl.release_all(stale, -1));

    Users users(impl);
    Mode mode = Mode::interfaces;
    for (const Joining& joining : joinings) {
        GANTRY_CHECK(users.add(joining.network));
        GANTRY_TRY(auto driver, impl.driver_of(joining.network));
        mode = mode_of(*driver);
        GANTRY_CHECK(impl.ensure_in_kernel(joining.network).context("network " + joining.network->record.name));
    }

    UniqueFd netns, netlink;
    std::vector<EndpointRecord> made;
    ScopeGuard undo([&] {
        for (const EndpointRecord& endpoint : made)
            if (auto released = impl.release(endpoint, netns.get()); !released)
                log::warn("cannot undo an attachment",
                          {{"container", container_id}, {"reason", released.error().text}});
        std::set<std::string> touched;
        for (const EndpointRecord& endpoint : made) touched.insert(endpoint.network);
        (void)impl.write_names(touched);
    });
    const Joining* gateway = gateway_of(joinings);
    for (const Joining& joining : joinings) {
        GANTRY_TRY(EndpointRecord endpoint, impl.new_endpoint(joining, container_id, container_name, hostname));
        if (endpoint.addressed()) endpoint.interface = "eth" + std::to_string(made.size());
        endpoint.default_gateway = &joining == gateway;
        {
            std::lock_guard lock(impl.mutex);
            impl.endpoints[endpoint.id] = endpoint;
        }
        made.push_back(std::move(endpoint));
    }
    GANTRY_CHECK(impl.record(made));
    GANTRY_FAILPOINT("network.attach.recorded");
    if (mode != Mode::host) {
        GANTRY_TRY(ReadyNetns ready, impl.pool.take());
        netns = std::move(ready.netns);
        netlink = std::move(ready.netlink);
        if (netns_ready) netns_ready(netns.get());
    }
    for (std::size_t i = 0; i < joinings.size(); ++i) {
        GANTRY_TRY(auto reply, impl.attach_one(joinings[i].network, made[i], netns.get(), netlink.get())
                                   .context("attach to network " + joinings[i].network->record.name));
        GANTRY_CHECK(impl.learn(made[i], reply));
        GANTRY_FAILPOINT("network.attach.attached");
    }
    for (std::size_t i = 0; i < joinings.size(); ++i) {
        if (&joinings[i] != gateway) continue;
        auto published = impl.publish(joinings[i].network, made[i], ports);
        if (!published)
            return std::move(published).error().context("driver failed programming external connectivity on endpoint " +
                                                        container_name + " (" + made[i].id + ")");
        GANTRY_FAILPOINT("network.attach.published");
    }
    if (mode == Mode::interfaces) {
        std::set<std::string> touched;
        for (const EndpointRecord& endpoint : made) touched.insert(endpoint.network);
        GANTRY_CHECK(impl.write_names(touched));
    }
    GANTRY_FAILPOINT("network.attach.named");
    undo.dismiss();
    Attached attached = impl.describe(made);
    attached.netns = std::move(netns);
    return attached;
}

Result<void> NetworkService::detach(const std::string& container_id, bool) {
    // The namespace is not at hand in either case; a driver that finds the interface alive removes it by its host end.
    auto endpoints = impl_->endpoints_of_container(container_id);
    if (endpoints.empty()) return {};
    return impl_->release_all(endpoints, -1);
}

Attached NetworkService::settings_of(const std::string& container_id) {
    return impl_->describe(impl_->endpoints_of_container(container_id));
}

}  // namespace gantry::network
