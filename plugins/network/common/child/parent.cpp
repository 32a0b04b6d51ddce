#include "plugins/network/common/child/parent.hpp"

#include <net/if_arp.h>

#include <charconv>

namespace gantry::child {
namespace {

constexpr int largest_vlan = 4094;

Result<void> make_vlan(netlink::Socket& host, const ParentSpec& spec) {
    const std::string missing = "parent interface \"" + spec.name + "\" is not there";
    const std::size_t dot = spec.name.rfind('.');
    if (dot == std::string::npos || dot == 0) return fail(Code::invalid, missing);
    const std::string base = spec.name.substr(0, dot), number = spec.name.substr(dot + 1);
    int id = 0;
    auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), id);
    if (error != std::errc() || end != number.data() + number.size() || id < 1 || id > largest_vlan)
        return fail(Code::invalid, missing + ", and \"" + number + "\" is no VLAN that could be made; 1 to " +
                                       std::to_string(largest_vlan) + " are allowed");
    GANTRY_TRY(auto below, host.find(base));
    if (!below)
        return fail(Code::invalid, missing + ", and neither is \"" + base + "\", of which it would be VLAN " + number);
    netlink::ChildLink vlan{.kind = "vlan", .name = spec.name};
    vlan.parent = below->index;
    vlan.vlan_id = static_cast<std::uint16_t>(id);
    // In one batch, so that whoever is killed here leaves none without a mark.
    netlink::Batch make;
    make.add_child(vlan);
    make.mark_link(spec.name, spec.mark);
    make.start_link(spec.name);
    auto made = host.send(std::move(make));
    if (!made && made.error().system_errno == EOPNOTSUPP)
        return fail(Code::unsupported, missing + ", and VLANs (802.1Q) are not supported by this kernel");
    if (!made && made.error().system_errno != EEXIST) (void)remove_parent(host, spec);
    // Another network's call made it at the same time.
    if (!made && made.error().system_errno == EEXIST) return {};
    return std::move(made).context("parent interface \"" + spec.name + "\"");
}

Result<void> make_dummy(netlink::Socket& host, const ParentSpec& spec) {
    netlink::Batch make;
    make.add_dummy(spec.name);
    make.mark_link(spec.name, spec.mark);
    make.start_link(spec.name);
    auto made = host.send(std::move(make));
    if (!made && made.error().system_errno == EOPNOTSUPP)
        return fail(
            Code::unsupported,
            "option \"parent\" names no interface, and the dummy link that would stand for one is not supported "
            "by this kernel");
    if (!made && made.error().system_errno != EEXIST) (void)remove_parent(host, spec);
    return std::move(made).context("the network's own parent");
}

Result<void> can_be_parent(netlink::Socket& host, const netlink::Link& link) {
    if (link.type != ARPHRD_ETHER)
        return fail(Code::invalid, "parent interface \"" + link.name + "\" is " +
                                       (link.type == ARPHRD_LOOPBACK ? "the loopback interface" : "not Ethernet") +
                                       ": an Ethernet interface is needed");
    if (link.master == 0) return {};
    GANTRY_TRY(auto master, host.find(link.master));
    if (!master || master->kind == "vrf") return {};
    return fail(Code::invalid, "parent interface \"" + link.name + "\" is a port of \"" + master->name +
                                   "\", which has all its packets: name that one");
}

}  // namespace

Result<netlink::Link> ensure_parent(netlink::Socket& host, const ParentSpec& spec) {
    GANTRY_TRY(auto link, host.find(spec.name));
    if (!link) {
        GANTRY_CHECK(spec.dummy ? make_dummy(host, spec) : make_vlan(host, spec));
        GANTRY_TRY(link, host.find(spec.name));
        if (!link) return fail(Code::internal, "interface \"" + spec.name + "\" is gone as soon as it was made");
    }
    GANTRY_CHECK(can_be_parent(host, *link));
    return std::move(*link);
}

Result<void> remove_parent(netlink::Socket& host, const ParentSpec& spec) {
    GANTRY_TRY(auto link, host.find(spec.name));
    if (!link || link->alias != spec.mark) return {};
    netlink::Batch remove;
    remove.remove_link(spec.name);
    auto removed = host.send(std::move(remove));
    if (!removed && removed.error().code != Code::not_found) return removed;
    return {};
}

}  // namespace gantry::child
