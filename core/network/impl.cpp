#include "core/network/impl.hpp"

#include <algorithm>

#include <gantry/driver.hpp>

#include "core/base/clock.hpp"
#include "core/base/failpoint.hpp"
#include "core/base/ids.hpp"
#include "core/base/log.hpp"
#include "core/network/host_networks.hpp"
#include "core/network/links.hpp"

namespace gantry::network {
namespace {

constexpr std::size_t namespaces_ahead = 8;
constexpr int subnet_attempts = 3;
constexpr int unique_local_length = 64;  // of a subnet of the engine's own /48 (RFC 4291 2.5.1)

// The host has a route or an address within it, on another interface than the network's own.
template <typename Address>
bool meets_the_host(const std::optional<PrefixOf<Address>>& subnet, const std::string& own_interface) {
    if (!subnet) return false;
    auto others = host_networks<Address>(own_interface);
    return others && std::any_of(others->begin(), others->end(), [&](const auto& p) { return p.overlaps(*subnet); });
}

bool has_ability(const driver::Driver& driver, std::string_view ability) {
    const auto abilities = member<std::vector<std::string>>(driver.description(), "abilities");
    return std::find(abilities.begin(), abilities.end(), ability) != abilities.end();
}

}  // namespace

Mode mode_of(const driver::Driver& driver) {
    if (has_ability(driver, "mode.host")) return Mode::host;
    if (has_ability(driver, "mode.none")) return Mode::none;
    return Mode::interfaces;
}

NetworkService::Impl::Impl(Settings s, store::Store& st, driver::Registry& d)
    : settings(std::move(s)), store(st), drivers(d), names(settings.run), pool(namespaces_ahead) {}

Users::~Users() {
    std::lock_guard lock(impl_.mutex);
    for (const NetworkPtr& network : networks_) --network->users;
    impl_.changed.notify_all();
}

Result<void> Users::add(const NetworkPtr& network) {
    std::lock_guard lock(impl_.mutex);
    if (network->kernel == NetworkState::Kernel::removing || !impl_.networks.contains(network->record.id))
        return fail(Code::not_found, "network " + network->record.name + " not found");
    ++network->users;
    networks_.push_back(network);
    return {};
}

Result<void> NetworkService::Impl::save(const NetworkRecord& record) {
    return store.put("network", {record.id, record.name, 1, record.to_store()});
}

void NetworkService::Impl::set_up_ipam(NetworkState& network) const {
    const NetworkRecord& record = network.record;
    if (record.subnet) {
        network.ipam = Ipam(*record.subnet, record.range.value_or(*record.subnet));
        network.ipam.reserve(record.gateway);
    }
    if (record.subnet6) {
        network.ipam6 = Ipam6(*record.subnet6, record.range6.value_or(*record.subnet6));
        network.ipam6.reserve(record.gateway6);
    }
    for (const auto& [name, text] : record.auxiliary)
        if (auto address = parse_ipv4(text))
            network.ipam.reserve(*address);
        else if (auto address6 = parse_ipv6(text))
            network.ipam6.reserve(*address6);
}

Result<void> NetworkService::Impl::reserve_for_options(NetworkState& network) const {
    if (!network.driver) return {};
    const Json schema = member<Json>(network.driver->description(), "object_options", Json::object());
    for (const auto& [option, entry] : schema.items()) {
        const auto name = member<std::string>(entry, "reserves");
        if (name.empty() || !member<bool>(network.record.options, option.c_str())) continue;
        if (!network.record.subnet)
            return fail(Code::invalid, "option \"" + option + "\" needs an IPv4 address: the network has none");
        // One that is not in the subnet was taken of another, which the engine had chosen before.
        auto known = network.record.auxiliary.find(name);
        auto before = known == network.record.auxiliary.end() ? std::nullopt : parse_ipv4(known->second);
        if (known != network.record.auxiliary.end() && (!before || network.record.subnet->contains(*before))) continue;
        auto address = network.ipam.take();
        if (!address) return std::move(address).error().context("option \"" + option + "\"");
        network.record.auxiliary[name] = show(*address);
    }
    return {};
}

Result<void> NetworkService::Impl::load() {
    std::vector<store::Damage> damage;
    GANTRY_TRY(auto stored_networks, store.list("network", &damage));
    for (const store::Object& object : stored_networks) {
        auto record = NetworkRecord::from_store(object.body);
        if (record && (record->id != object.id || record->name != object.name))
            record = fail(Code::corrupt, "it is the record of network \"" + record->name + "\"");
        if (!record) {
            damage.push_back({"network", object.id, record.error().text});
            continue;
        }
        auto network = std::make_shared<NetworkState>();
        network->record = std::move(record).value();
        set_up_ipam(*network);
        networks[object.id] = network;
    }
    GANTRY_TRY(auto stored_endpoints, store.list("endpoint", &damage));
    for (const store::Object& object : stored_endpoints) {
        auto record = EndpointRecord::from_store(object.body);
        if (record && record->id != object.id)
            record = fail(Code::corrupt, "it is the record of endpoint \"" + record->id + "\"");
        auto network = record ? networks.find(record->network) : networks.end();
        if (network == networks.end()) {
            damage.push_back({"endpoint", object.id,
                              record ? "its network \"" + record->network + "\" is not there" : record.error().text});
            continue;
        }
        if (record->address && network->second->ipam.take(record->address))
            network->second->ipam.continue_after(record->address);
        if (record->address6 && network->second->ipam6.take(record->address6))
            network->second->ipam6.continue_after(record->address6);
        for (const Port& port : record->ports)
            if (port.of_host()) (void)ports.claim(port, record->id);
        endpoints[object.id] = std::move(record).value();
    }
    for (const store::Damage& d : damage) {
        log::error("a network's or endpoint's record is damaged; it is set aside",
                   {{"kind", d.kind}, {"id", d.id}, {"reason", d.reason}});
        GANTRY_CHECK(store.transact([&]() -> Result<void> {
            // What it had claimed would be refused to everyone for ever: which network's address, its record may not say.
            if (d.kind == "endpoint") GANTRY_CHECK(store.release_owner(d.id));
            return store.quarantine(d.kind, d.id);
        }));
    }
    return {};
}

Result<void> NetworkService::Impl::add_built_in(std::string_view name, const std::string& driver, bool addressed) {
    if (driver.empty()) return {};
    for (const auto& [id, network] : networks)
        if (network->record.name == name) return {};
    auto network = std::make_shared<NetworkState>();
    network->record.id = new_id();
    network->record.name = name;
    network->record.driver = driver;
    network->record.created_ns = wall_clock_ns();
    network->record.built_in = true;
    network->record.chosen_subnet = addressed;
    if (addressed) GANTRY_CHECK(choose_subnets(network));
    GANTRY_CHECK(save(network->record));
    networks[network->record.id] = network;
    return {};
}

Result<NetworkPtr> NetworkService::Impl::find(std::string_view name_or_id) {
    std::lock_guard lock(mutex);
    if (auto exact = networks.find(std::string(name_or_id)); exact != networks.end() && !exact->second->record.creating)
        return exact->second;
    std::vector<NetworkPtr> by_prefix;
    for (const auto& [id, network] : networks) {
        if (network->record.creating) continue;
        if (network->record.name == name_or_id) return network;
        if (is_id_prefix(name_or_id) && id.starts_with(name_or_id)) by_prefix.push_back(network);
    }
    if (by_prefix.size() == 1) return by_prefix.front();
    if (by_prefix.empty()) return fail(Code::not_found, "network " + std::string(name_or_id) + " not found");
    return fail(Code::invalid, "network " + std::string(name_or_id) + " is ambiguous (" +
                                   std::to_string(by_prefix.size()) + " matches found based on ID prefix)");
}

Result<std::shared_ptr<driver::Driver>> NetworkService::Impl::driver_of(const NetworkPtr& network) {
    {
        std::lock_guard lock(mutex);
        if (network->driver) return network->driver;
    }
    GANTRY_TRY(auto driver, drivers.get(driver::Kind::network, network->record.driver));
    std::lock_guard lock(mutex);
    network->driver = driver;
    return driver;
}

template <>
std::vector<Prefix> NetworkService::Impl::subnets_of_others<Ipv4>(std::string_view but_id) const {
    std::vector<Prefix> subnets;
    for (const auto& [id, network] : networks)
        if (id != but_id && network->record.subnet) subnets.push_back(*network->record.subnet);
    return subnets;
}

template <>
std::vector<Prefix6> NetworkService::Impl::subnets_of_others<Ipv6>(std::string_view but_id) const {
    std::vector<Prefix6> subnets;
    for (const auto& [id, network] : networks)
        if (id != but_id && network->record.subnet6) subnets.push_back(*network->record.subnet6);
    return subnets;
}

// Subnets from the pools that neither another network nor the host has.
Result<void> NetworkService::Impl::choose_subnets(const NetworkPtr& network) {
    GANTRY_TRY(std::vector<Prefix> occupied, host_networks<Ipv4>(network->record.interface));
    GANTRY_TRY(std::vector<Prefix6> occupied6, host_networks<Ipv6>(network->record.interface));
    Pools pools = settings.address_pools;
    if (std::none_of(pools.begin(), pools.end(),
                     [](const auto& one) { return one.first.find(':') != std::string::npos; }))
        pools.emplace_back(settings.unique_local, unique_local_length);
    std::lock_guard lock(mutex);
    NetworkRecord& record = network->record;
    if (record.chosen_subnet) {
        for (const Prefix& other : subnets_of_others<Ipv4>(record.id)) occupied.push_back(other);
        GANTRY_TRY(const Prefix subnet, carve<Ipv4>(pools, occupied));
        record.subnet = record.range = subnet;
        record.gateway = subnet.base + 1;
    }
    if (record.chosen_subnet6) {
        for (const Prefix6& other : subnets_of_others<Ipv6>(record.id)) occupied6.push_back(other);
        GANTRY_TRY(const Prefix6 subnet, carve<Ipv6>(pools, occupied6));
        record.subnet6 = record.range6 = subnet;
        record.gateway6 = subnet.base + 1;
    }
    set_up_ipam(*network);
    return reserve_for_options(*network);
}

// The network is in the kernel when this succeeds. One thread asks the driver, others wait for it.
Result<void> NetworkService::Impl::ensure_in_kernel(const NetworkPtr& network) {
    GANTRY_TRY(auto driver, driver_of(network));
    NetworkRecord record;
    bool unused = false, tried_before = false;
    {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return network->kernel != NetworkState::Kernel::making; });
        if (network->kernel == NetworkState::Kernel::ready) return {};
        if (network->kernel == NetworkState::Kernel::removing)
            return fail(Code::not_found, "network " + network->record.name + " not found");
        network->kernel = NetworkState::Kernel::making;
        tried_before = std::exchange(network->record.made, true);
        record = network->record;
        unused = endpoints_of_network(record.id).empty();
    }
    auto finish = [&](NetworkState::Kernel state) {
        std::lock_guard lock(mutex);
        network->kernel = state;
        changed.notify_all();
    };
    ScopeGuard failed([&] { finish(NetworkState::Kernel::absent); });
    GANTRY_FAILPOINT("network.ensure.begin");
    GANTRY_CHECK(save(record));
    // A try that was cut off did not come to record what it had made: its own subnet is not in the network's way.
    if (tried_before && record.interface.empty())
        if (auto seen = driver->call("network/1", "inspect", {{"network", network_for_driver(record)}}, {},
                                     driver::Deadline::fast))
            record.interface = member<std::string>(seen->result, "interface");
    for (int attempt = 1;; ++attempt) {
        // Another engine or a VPN may have taken the subnet since it was chosen, or takes it at this very moment.
        auto in_the_way = [&] {
            return (record.chosen_subnet && meets_the_host(record.subnet, record.interface)) ||
                   (record.chosen_subnet6 && meets_the_host(record.subnet6, record.interface));
        };
        const bool movable = unused && attempt <= subnet_attempts;
        if (movable && in_the_way()) {
            GANTRY_CHECK(choose_subnets(network));
            std::lock_guard lock(mutex);
            record.auxiliary = network->record.auxiliary;
            record.subnet = network->record.subnet;
            record.range = network->record.range;
            record.gateway = network->record.gateway;
            record.subnet6 = network->record.subnet6;
            record.range6 = network->record.range6;
            record.gateway6 = network->record.gateway6;
        }
        GANTRY_TRY(driver::Reply reply, driver->call("network/1", "ensure", {{"network", network_for_driver(record)}}));
        GANTRY_FAILPOINT("network.ensure.made");
        record.interface = member<std::string>(reply.result, "interface");
        if (movable && in_the_way()) {
            GANTRY_TRY(reply, driver->call("network/1", "remove", {{"network", network_for_driver(record)}}));
            continue;
        }
        {
            std::lock_guard lock(mutex);
            network->resolvers = member<std::vector<std::string>>(reply.result, "resolver");
            network->host_addresses =
                member<std::vector<std::string>>(reply.result, "host_addresses", {"0.0.0.0", "::"});
            network->direct = member<std::vector<std::string>>(reply.result, "direct");
            network->record = record;
        }
        break;
    }
    GANTRY_CHECK(save(record));
    failed.dismiss();
    finish(NetworkState::Kernel::ready);
    return {};
}

std::vector<EndpointRecord> NetworkService::Impl::endpoints_of_container(const std::string& container) {
    std::lock_guard lock(mutex);
    std::vector<EndpointRecord> found;
    for (const auto& [id, endpoint] : endpoints)
        if (endpoint.container == container) found.push_back(endpoint);
    std::sort(found.begin(), found.end(),
              [](const EndpointRecord& a, const EndpointRecord& b) { return a.interface < b.interface; });
    return found;
}

std::vector<EndpointRecord> NetworkService::Impl::endpoints_of_network(std::string_view network) const {
    std::vector<EndpointRecord> found;
    for (const auto& [id, endpoint] : endpoints)
        if (endpoint.network == network) found.push_back(endpoint);
    return found;
}

Result<void> NetworkService::Impl::write_names(const std::set<std::string>& ids) {
    // The lock spans reading and writing, so that an older state never replaces a newer one.
    std::lock_guard one_writer(names_mutex);
    struct File {
        NetworkRecord network;
        std::vector<std::string> listen;
        std::vector<NamesDirectory::Member> members;
    };
    std::vector<File> files;
    {
        std::lock_guard lock(mutex);
        std::map<std::string, std::vector<std::string>> networks_of;
        std::map<std::string, std::vector<NamesDirectory::Alias>> aliases_of;
        for (const auto& [id, endpoint] : endpoints) {
            if (endpoint.addressed()) networks_of[endpoint.container].push_back(endpoint.network);
            for (const std::string& text : endpoint.links)
                if (auto link = parse_link(text))
                    aliases_of[endpoint.container].push_back({endpoint.network, link->target, link->alias});
        }
        for (const std::string& id : ids) {
            auto network = networks.find(id);
            if (network == networks.end()) continue;
            File file{network->second->record, network->second->resolvers, {}};
            for (const EndpointRecord& endpoint : endpoints_of_network(id)) {
                NamesDirectory::Member one{endpoint, networks_of[endpoint.container], aliases_of[endpoint.container]};
                std::erase(one.other_networks, id);
                file.members.push_back(std::move(one));
            }
            if (auto others = peers.find(id); others != peers.end())
                for (const EndpointRecord& endpoint : others->second) file.members.push_back({endpoint, {}, {}});
            files.push_back(std::move(file));
        }
    }
    for (const File& file : files) GANTRY_CHECK(names.write(file.network, file.listen, file.members));
    return {};
}

}  // namespace gantry::network
