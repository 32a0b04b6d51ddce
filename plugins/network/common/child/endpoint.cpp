#include "plugins/network/common/child/endpoint.hpp"

#include <sys/socket.h>
#include <time.h>

#include <algorithm>

#include "plugins/network/common/sysctl.hpp"

namespace gantry::child {
namespace {

constexpr int loopback_index = 1;
constexpr int patience_ms = 3000, pause_ms = 10;
// A namespace seems to live on for a moment, by sockets that the kernel has not let go of yet.
constexpr int patience_with_another_ms = 500;

// What the end of another container's namespace mends.
bool may_pass(const Error& error, const LinkSpec& spec) {
    return error.system_errno == EADDRINUSE || error.system_errno == EBUSY ||
           (error.system_errno == EINVAL && spec.options.alone);
}

Error refusal(Error error, const LinkSpec& spec) {
    const std::string parent = "parent interface \"" + spec.parent + "\"";
    if (spec.options.alone && (error.system_errno == EINVAL || error.system_errno == EBUSY))
        return fail(Code::busy, "network \"" + spec.network + "\" is in mode " + spec.options.mode_text + ": its " +
                                    parent + " carries one container only, and is in use");
    if (error.system_errno == EADDRINUSE)
        return fail(Code::conflict, "the address " + (spec.mac.empty() ? std::string() : "\"" + spec.mac + "\" ") +
                                        "is in use already on " + parent);
    if (error.system_errno == EBUSY)
        return fail(Code::busy, parent + " cannot carry a " + spec.kind + ": something else has all its packets");
    return std::move(error).context(parent);
}

// Down and without a mark at first: whoever is killed in between leaves one that its group tells. Under a name of its own:
// kernels before 6.15 look for the one that is asked for among the host's interfaces, too.
Result<void> make_link(netlink::Socket& host, netlink::Socket& inside, const LinkSpec& spec, int parent) {
    netlink::ChildLink link{.kind = spec.kind, .name = spec.first_name};
    const bool own_mac = spec.kind == "macvlan" && !spec.options.alone;
    if (own_mac) link.mac = spec.mac;
    link.parent = parent;
    link.mtu = spec.options.mtu;
    link.group = spec.group;
    link.mode = spec.options.mode;
    link.flags = spec.options.flags;
    link.netns = spec.netns;
    netlink::Batch make;
    make.add_child(link);
    GANTRY_CHECK(host.send(std::move(make)));
    GANTRY_TRY(auto made, inside.find(spec.first_name));
    if (!made) return fail(Code::internal, "a new " + spec.kind + " did not appear in the sandbox");
    netlink::Batch start;
    start.mark_link(spec.first_name, spec.mark);
    start.rename_link(made->index, spec.interface);
    // A parent that carries one container only takes that one's address, and has its own again afterwards.
    start.start_link(spec.interface, spec.options.alone ? spec.mac : "");
    return inside.send(std::move(start));
}

void drop_link(netlink::Socket& inside, const std::string& name) {
    netlink::Batch remove;
    remove.remove_link(name);
    (void)inside.send(std::move(remove));
}

// Whether the namespace has the link already; what an interrupted call left is removed.
Result<bool> is_there(netlink::Socket& inside, const LinkSpec& spec) {
    drop_link(inside, spec.first_name);
    GANTRY_TRY(auto link, inside.find(spec.interface));
    if (!link) return false;
    if (link->kind != spec.kind || link->alias != spec.mark)
        return fail(Code::conflict, "interface \"" + spec.interface + "\" is in the sandbox already");
    if (link->up) return true;
    drop_link(inside, spec.interface);
    return false;
}

// Interfaces of a sandbox have IPv6 only where they have an address of it. Without duplicate address detection: IPAM has seen
// to that, and a tentative link-local address would keep everything waiting.
Result<void> start_ipv6(const std::string& interface) {
    GANTRY_CHECK(netlink::write_sysctl("ipv6/conf/" + interface + "/accept_dad", "0"));
    return netlink::write_sysctl("ipv6/conf/" + interface + "/disable_ipv6", "0");
}

Result<void> configure(const Host& driver_host, netlink::Socket& inside, const LinkSpec& spec,
                       const netlink::Link& link) {
    const bool six = std::any_of(spec.addresses.begin(), spec.addresses.end(), is_ipv6);
    const bool four = !std::all_of(spec.addresses.begin(), spec.addresses.end(), is_ipv6);
    if (six) GANTRY_CHECK(driver_host.in_netns(spec.netns, [&] { return start_ipv6(spec.interface); }));
    netlink::Batch addresses;
    addresses.set_up(loopback_index);
    for (const std::string& address : spec.addresses) addresses.add_address(link.index, address);
    for (const std::string& gateway : spec.gateways) addresses.set_default_route(link.index, gateway);
    if (spec.default_link && four) addresses.set_default_link(link.index, AF_INET);
    if (spec.default_link && six) addresses.set_default_link(link.index, AF_INET6);
    return inside.send(std::move(addresses));
}

Result<netlink::Link> attempt(const Host& driver_host, netlink::Socket& host, netlink::Socket& inside,
                              const LinkSpec& spec) {
    GANTRY_TRY(auto parent, host.find(spec.parent));
    if (!parent) return fail(Code::not_found, "parent interface \"" + spec.parent + "\" is not there");
    GANTRY_TRY(const bool before, is_there(inside, spec));
    ScopeGuard undo([&] {
        drop_link(inside, spec.first_name);
        drop_link(inside, spec.interface);
    });
    if (before) undo.dismiss();
    if (!before) GANTRY_CHECK(make_link(host, inside, spec, parent->index));
    GANTRY_TRY(auto link, inside.find(spec.interface));
    if (!link) return fail(Code::internal, "interface \"" + spec.interface + "\" did not appear in the sandbox");
    GANTRY_CHECK(configure(driver_host, inside, spec, *link));
    undo.dismiss();
    return std::move(*link);
}

}  // namespace

Result<netlink::Link> attach_link(const Host& driver_host, netlink::Socket& host, const LinkSpec& spec) {
    GANTRY_TRY(netlink::Socket inside, spec.netlink >= 0
                                           ? netlink::Socket::over(spec.netlink)
                                           : driver_host.in_netns(spec.netns, [] { return netlink::Socket::open(); }));
    // From now on the link can be found from outside.
    GANTRY_TRY([[maybe_unused]] const int id, host.namespace_id(spec.netns));
    for (int waited = 0;; waited += pause_ms) {
        auto done = attempt(driver_host, host, inside, spec);
        if (done || done.error().code == Code::not_found || done.error().code == Code::conflict) return done;
        if (!may_pass(done.error(), spec) || waited >= patience_ms) return refusal(std::move(done).error(), spec);
        if (spec.options.alone && waited >= patience_with_another_ms) {
            GANTRY_TRY(auto others, find_links(host, spec.kind, spec.siblings));
            if (!others.empty()) return refusal(std::move(done).error(), spec);
        }
        const timespec pause{0, pause_ms * 1'000'000};
        ::nanosleep(&pause, nullptr);
    }
}

Result<std::vector<Found>> find_links(netlink::Socket& host, const std::string& kind, const std::string& mark,
                                      std::optional<std::uint32_t> group) {
    std::vector<Found> found;
    GANTRY_TRY(auto ids, host.namespace_ids());
    for (int id : ids) {
        GANTRY_TRY(auto links, host.list_in(id, kind));
        for (netlink::Link& link : links)
            if (link.alias.starts_with(mark) || (group && link.alias.empty() && link.group == *group))
                found.push_back({id, std::move(link)});
    }
    return found;
}

}  // namespace gantry::child
