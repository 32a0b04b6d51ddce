#include "plugins/network/common/child/host_access.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <cstdio>

#include "plugins/network/common/child/options.hpp"

namespace gantry::child {
namespace {

// As endpoints have theirs: from the address.
Result<std::string> mac_of(const std::string& text) {
    in_addr address{};
    if (::inet_pton(AF_INET, text.c_str(), &address) != 1)
        return fail(Code::invalid, "the host's address \"" + text + "\" is not an IPv4 address");
    const auto* b = reinterpret_cast<const unsigned char*>(&address);
    char mac[18];
    std::snprintf(mac, sizeof mac, "02:42:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3]);
    return std::string(mac);
}

std::string alone(const std::string& address) { return address.substr(0, address.find('/')) + "/32"; }

Result<void> make(netlink::Socket& host, const HostLinkSpec& spec, int parent) {
    netlink::ChildLink link{.kind = "macvlan", .name = spec.name};
    GANTRY_TRY(link.mac, mac_of(spec.address));
    link.parent = parent;
    link.mtu = spec.mtu;
    link.mode = spec.mode;
    netlink::Batch make;
    make.add_child(link);
    make.mark_link(spec.name, spec.mark);
    GANTRY_CHECK(host.send(std::move(make)));
    netlink::Batch quiet;
    quiet.quiet_link(spec.name);
    auto quieted = host.send(std::move(quiet));
    if (!quieted && quieted.error().system_errno != EAFNOSUPPORT) return quieted;
    return {};
}

}  // namespace

Result<void> ensure_host_link(netlink::Socket& host, const HostLinkSpec& spec) {
    GANTRY_TRY(auto parent, host.find(spec.parent));
    if (!parent) return fail(Code::not_found, "parent interface \"" + spec.parent + "\" is not there");
    GANTRY_TRY(auto link, host.find(spec.name));
    if (link && (link->kind != "macvlan" || link->alias != spec.mark))
        return fail(Code::conflict, "interface \"" + spec.name + "\" is there and belongs to someone else");
    if (link && link->parent != parent->index) {
        GANTRY_CHECK(remove_host_link(host, spec));
        link.reset();
    }
    if (!link) {
        GANTRY_CHECK(make(host, spec, parent->index).context("the host's interface \"" + spec.name + "\""));
        GANTRY_TRY(link, host.find(spec.name));
        if (!link) return fail(Code::internal, "interface \"" + spec.name + "\" is gone as soon as it was made");
    }
    netlink::Batch start;
    // The parent hears all that the LAN asks as well: two answers for one address of the host would turn its traffic.
    start.restrict_arp(spec.name);
    start.add_address(link->index, alone(spec.address));
    start.start_link(spec.name);
    return host.send(std::move(start)).context("the host's interface \"" + spec.name + "\"");
}

Result<void> remove_host_link(netlink::Socket& host, const HostLinkSpec& spec) {
    GANTRY_TRY(auto link, host.find(spec.name));
    if (!link || link->alias != spec.mark) return {};
    netlink::Batch remove;
    remove.remove_link(spec.name);
    auto removed = host.send(std::move(remove));
    if (!removed && removed.error().code != Code::not_found) return removed;
    return {};
}

Result<void> add_host_routes(netlink::Socket& host, const std::string& name,
                             const std::vector<std::string>& addresses) {
    GANTRY_TRY(auto link, host.find(name));
    if (!link) return fail(Code::not_found, "the host's interface \"" + name + "\" is not there");
    netlink::Batch routes;
    for (const std::string& address : addresses)
        if (!is_ipv6(address)) routes.add_link_route(link->index, alone(address));
    return host.send(std::move(routes)).context("the host's interface \"" + name + "\"");
}

Result<void> remove_host_routes(netlink::Socket& host, const std::string& name,
                                const std::vector<std::string>& addresses) {
    GANTRY_TRY(auto link, host.find(name));
    if (!link) return {};
    for (const std::string& address : addresses) {
        if (is_ipv6(address)) continue;
        netlink::Batch route;
        route.remove_link_route(link->index, alone(address));
        auto removed = host.send(std::move(route));
        if (!removed && removed.error().code != Code::not_found) return removed;
    }
    return {};
}

Result<void> keep_host_routes(netlink::Socket& host, const std::string& name,
                              const std::vector<std::string>& addresses) {
    GANTRY_TRY(auto link, host.find(name));
    if (!link) return {};
    GANTRY_TRY(std::vector<std::string> routes, host.link_routes(link->index));
    std::erase_if(routes, [&](const std::string& route) {
        return std::any_of(addresses.begin(), addresses.end(),
                           [&](const std::string& address) { return alone(address) == route; });
    });
    return remove_host_routes(host, name, routes);
}

}  // namespace gantry::child
