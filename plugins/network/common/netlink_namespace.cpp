// Links in other network namespaces, reached from here by the ids that the kernel gives namespaces.
#include <linux/if_link.h>
#include <linux/net_namespace.h>
#include <linux/sockios.h>
#include <netlink/socket.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <gantry/unique_fd.hpp>

#include "plugins/network/common/netlink.hpp"
#include "plugins/network/common/netlink_parts.hpp"

namespace gantry::netlink {
namespace {

void append_generic(nl_msg* message) {
    rtgenmsg header{};
    header.rtgen_family = AF_UNSPEC;
    nlmsg_append(message, &header, sizeof header, NLMSG_ALIGNTO);
}

std::optional<int> read_id(nlmsghdr* answer) {
    if (answer->nlmsg_type != RTM_NEWNSID) return std::nullopt;
    nlattr* attributes[NETNSA_MAX + 1];
    if (nlmsg_parse(answer, sizeof(rtgenmsg), attributes, NETNSA_MAX, nullptr) < 0 || !attributes[NETNSA_NSID])
        return std::nullopt;
    return static_cast<int>(nla_get_u32(attributes[NETNSA_NSID]));
}

}  // namespace

Result<int> Socket::namespace_id(int netns) {
    Batch give;
    nl_msg* wish = give.add(RTM_NEWNSID, 0, "give a network namespace an id");
    append_generic(wish);
    nla_put_u32(wish, NETNSA_FD, static_cast<std::uint32_t>(netns));
    nla_put_u32(wish, NETNSA_NSID, static_cast<std::uint32_t>(NETNSA_NSID_NOT_ASSIGNED));
    auto given = send(std::move(give));
    if (!given && given.error().system_errno != EEXIST) return std::move(given).error();

    GANTRY_TRY(auto id, known_namespace_id(netns));
    if (!id) return fail(Code::internal, "a network namespace has no id");
    return *id;
}

Result<std::optional<int>> Socket::known_namespace_id(int netns) {
    MessagePtr m(nlmsg_alloc_simple(RTM_GETNSID, NLM_F_REQUEST));
    if (!m) return fail(Code::exhausted, "no memory for a netlink message");
    append_generic(m.get());
    nla_put_u32(m.get(), NETNSA_FD, static_cast<std::uint32_t>(netns));
    std::optional<int> id;
    GANTRY_CHECK(
        ask(m.get(), "ask for the id of a network namespace", [&](nlmsghdr* answer) { id = read_id(answer); }));
    if (id && *id < 0) id.reset();
    return id;
}

Result<std::vector<int>> Socket::namespace_ids() {
    MessagePtr m(nlmsg_alloc_simple(RTM_GETNSID, NLM_F_REQUEST | NLM_F_DUMP));
    if (!m) return fail(Code::exhausted, "no memory for a netlink message");
    append_generic(m.get());
    std::vector<int> ids;
    GANTRY_CHECK(ask(m.get(), "ask for the ids of network namespaces", [&](nlmsghdr* answer) {
        if (auto id = read_id(answer); id && *id >= 0) ids.push_back(*id);
    }));
    // Its own may have one too.
    UniqueFd own(::ioctl(nl_socket_get_fd(socket_.get()), SIOCGSKNS));
    if (!own) return fail_errno("open the network namespace of a socket");
    GANTRY_TRY(auto own_id, known_namespace_id(own.get()));
    if (own_id) std::erase(ids, *own_id);
    return ids;
}

Result<std::vector<Link>> Socket::list_in(int namespace_id, std::string_view kind) {
    MessagePtr m(nlmsg_alloc_simple(RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP));
    if (!m) return fail(Code::exhausted, "no memory for a netlink message");
    parts::append_link(m.get(), AF_UNSPEC, 0, 0, 0);
    nla_put_u32(m.get(), IFLA_TARGET_NETNSID, static_cast<std::uint32_t>(namespace_id));
    auto links = dump(m.get());
    // EINVAL: there is no namespace of this id any more.
    if (!links && links.error().system_errno == EINVAL) return std::vector<Link>();
    if (!links) return links;
    std::erase_if(*links, [&](const Link& link) { return link.kind != kind; });
    return links;
}

Result<void> Socket::remove_in(int namespace_id, int index) {
    Batch remove;
    nl_msg* m = remove.add(RTM_DELLINK, 0, "remove link " + std::to_string(index) + " of another namespace");
    parts::append_link(m, AF_UNSPEC, index, 0, 0);
    nla_put_u32(m, IFLA_TARGET_NETNSID, static_cast<std::uint32_t>(namespace_id));
    auto removed = send(std::move(remove));
    if (removed || removed.error().code == Code::not_found || removed.error().system_errno == EINVAL) return {};
    return removed;
}

}  // namespace gantry::netlink
