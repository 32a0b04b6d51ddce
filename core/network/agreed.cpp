// Networks whose hosts have to agree on subnet and addresses: the driver says what this host may give.
#include <algorithm>

#include <gantry/driver.hpp>

#include "core/base/log.hpp"
#include "core/network/host_networks.hpp"
#include "core/network/impl.hpp"

namespace gantry::network {
namespace {

constexpr const char* ipam_table = "network.ipam/1";

struct Allowed {
    std::vector<Prefix> ranges;
    std::set<Ipv4> except;
};

Result<Allowed> ask_for_ranges(driver::Driver& driver, const NetworkRecord& record, bool more) {
    GANTRY_TRY(driver::Reply reply,
               driver.call(ipam_table, "ranges", {{"network", network_for_driver(record)}, {"more", more}}));
    Allowed allowed;
    for (const std::string& text : member<std::vector<std::string>>(reply.result, "ranges")) {
        auto range = parse_prefix(text);
        if (!range || !record.subnet->contains(*range))
            return fail(Code::internal, "driver \"" + driver.name() + "\" gives the range \"" + text +
                                            "\", which is none of " + record.subnet->text());
        allowed.ranges.push_back(*range);
    }
    for (const std::string& text : member<std::vector<std::string>>(reply.result, "except"))
        if (auto address = parse_ipv4(text)) allowed.except.insert(*address);
    return allowed;
}

}  // namespace

Result<void> NetworkService::Impl::agree(const NetworkPtr& network) {
    GANTRY_TRY(auto driver, driver_of(network));
    NetworkRecord record;
    {
        std::lock_guard lock(mutex);
        record = network->record;
    }
    GANTRY_TRY(
        driver::Reply reply,
        driver->call(ipam_table, "agree", {{"network", network_for_driver(record)}, {"fixed", !record.chosen_subnet}}));
    const auto subnets = member<std::vector<Json>>(reply.result, "subnets");
    auto subnet = subnets.size() == 1 ? parse_prefix(member<std::string>(subnets[0], "subnet")) : std::nullopt;
    auto gateway = subnet ? parse_ipv4(member<std::string>(subnets[0], "gateway")) : std::nullopt;
    if (!subnet || !gateway || !subnet->contains(*gateway))
        return fail(Code::internal, "driver \"" + driver->name() + "\" gives no subnet of one family");
    GANTRY_TRY(std::vector<Prefix> occupied, host_networks<Ipv4>(record.interface));
    std::lock_guard lock(mutex);
    for (const Prefix& other : subnets_of_others<Ipv4>(record.id)) occupied.push_back(other);
    for (const Prefix& other : occupied)
        if (other.overlaps(*subnet))
            return fail(Code::denied, "its hosts have given it subnet " + subnet->text() + ", which meets " +
                                          other.text() + " of this host");
    // Agreed on is as good as the user's: it does not move, and addresses of it can be chosen.
    network->record.chosen_subnet = false;
    if (network->record.subnet == subnet && network->record.gateway == *gateway) return {};
    network->record.subnet = network->record.range = subnet;
    network->record.gateway = *gateway;
    set_up_ipam(*network);
    return {};
}

Result<std::optional<Ipv4>> NetworkService::Impl::take_agreed(const Joining& joining) {
    const NetworkPtr& network = joining.network;
    GANTRY_TRY(auto driver, driver_of(network));
    if (!driver->offers(ipam_table)) return std::optional<Ipv4>();
    NetworkRecord record;
    {
        std::lock_guard lock(mutex);
        record = network->record;
    }
    if (!record.subnet) return std::optional<Ipv4>();
    if (!joining.wish.ipv4.empty()) {
        const Ipv4 address = parse_ipv4(joining.wish.ipv4).value_or(0);
        {
            // Here first: what a container of this host has was claimed for it.
            std::lock_guard lock(mutex);
            GANTRY_CHECK(network->ipam.take(address));
        }
        auto claimed =
            driver->call(ipam_table, "claim", {{"network", network_for_driver(record)}, {"address", show(address)}});
        if (claimed) return std::optional(address);
        std::lock_guard lock(mutex);
        network->ipam.give_back(address);
        return std::move(claimed).error();
    }
    for (bool more : {false, true}) {
        GANTRY_TRY(const Allowed allowed, ask_for_ranges(*driver, record, more));
        std::lock_guard lock(mutex);
        // Next-fit: one that was given back comes again as late as possible.
        for (bool from_the_start : {false, true})
            for (const Prefix& range : allowed.ranges)
                for (std::uint64_t number = range.base; number <= range.last(); ++number) {
                    const auto address = static_cast<Ipv4>(number);
                    if (from_the_start != (address <= network->last_agreed) || allowed.except.contains(address))
                        continue;
                    if (record.range && !record.range->contains(address)) continue;
                    if (!network->ipam.take(address)) continue;
                    network->last_agreed = address;
                    return std::optional(address);
                }
    }
    return fail(Code::exhausted,
                "no available IPv4 addresses on this network's address pools: " + record.name + " (" + record.id + ")");
}

void NetworkService::Impl::release_agreed(const NetworkPtr& network, const NetworkRecord& record,
                                          const EndpointRecord& endpoint) {
    if (endpoint.fixed_ipv4.empty() || !endpoint.address) return;
    auto driver = driver_of(network);
    if (!driver || !(*driver)->offers(ipam_table)) return;
    auto released = (*driver)->call(ipam_table, "release",
                                    {{"network", network_for_driver(record)}, {"address", show(endpoint.address)}});
    if (!released)
        log::warn("an address could not be given back to a network's hosts",
                  {{"network", record.name}, {"address", show(endpoint.address)}, {"reason", released.error().text}});
}

}  // namespace gantry::network
