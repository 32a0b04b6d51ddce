// Links that ride on another link, and the routes that lead to them.
#include <linux/if_link.h>
#include <linux/if.h>
#include <linux/ip.h>
#include <sys/socket.h>

#include "plugins/network/common/netlink.hpp"
#include "plugins/network/common/netlink_parts.hpp"

namespace gantry::netlink {
namespace {

// `prefix`: nullptr for everything else.
void append_link_route(nl_msg* message, int index, int family, const parts::Prefix* prefix) {
    rtmsg info{};
    info.rtm_family = static_cast<unsigned char>(family);
    info.rtm_dst_len = static_cast<unsigned char>(prefix ? prefix->length : 0);
    info.rtm_table = RT_TABLE_MAIN;
    info.rtm_protocol = RTPROT_BOOT;
    info.rtm_scope = family == AF_INET ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
    info.rtm_type = RTN_UNICAST;
    nlmsg_append(message, &info, sizeof info, NLMSG_ALIGNTO);
    if (prefix) nla_put(message, RTA_DST, prefix->size(), &prefix->bytes);
    nla_put_u32(message, RTA_OIF, static_cast<std::uint32_t>(index));
}

}  // namespace

void Batch::add_child(const ChildLink& child) {
    nl_msg* m = add(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, "make " + child.kind + " \"" + child.name + "\"");
    parts::append_link(m, AF_UNSPEC, 0, 0, 0);
    nla_put_string(m, IFLA_IFNAME, child.name.c_str());
    nla_put_u32(m, IFLA_LINK, static_cast<std::uint32_t>(child.parent));
    if (!child.mac.empty()) {
        if (auto address = parts::parse_mac(child.mac))
            nla_put(m, IFLA_ADDRESS, 6, address->data());
        else
            bad_ = fail(Code::invalid, "\"" + child.mac + "\" is not a MAC address");
    }
    if (child.group) nla_put_u32(m, IFLA_GROUP, child.group);
    if (child.netns >= 0) nla_put_u32(m, IFLA_NET_NS_FD, static_cast<std::uint32_t>(child.netns));
    parts::put_mtu(m, child.mtu);
    nlattr* info = nla_nest_start(m, IFLA_LINKINFO);
    nla_put_string(m, IFLA_INFO_KIND, child.kind.c_str());
    nlattr* data = nla_nest_start(m, IFLA_INFO_DATA);
    if (child.kind == "vlan") nla_put_u16(m, IFLA_VLAN_ID, child.vlan_id);
    if (child.kind == "macvlan" && child.mode) nla_put_u32(m, IFLA_MACVLAN_MODE, *child.mode);
    if (child.kind == "ipvlan" && child.mode) nla_put_u16(m, IFLA_IPVLAN_MODE, static_cast<std::uint16_t>(*child.mode));
    if (child.kind == "ipvlan" && child.flags) nla_put_u16(m, IFLA_IPVLAN_FLAGS, *child.flags);
    nla_nest_end(m, data);
    nla_nest_end(m, info);
}

void Batch::add_dummy(const std::string& name) {
    nl_msg* m = add(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, "make dummy \"" + name + "\"");
    parts::append_link(m, AF_UNSPEC, 0, 0, 0);
    nla_put_string(m, IFLA_IFNAME, name.c_str());
    nlattr* info = nla_nest_start(m, IFLA_LINKINFO);
    nla_put_string(m, IFLA_INFO_KIND, "dummy");
    nla_nest_end(m, info);
}

void Batch::mark_link(const std::string& name, const std::string& alias) {
    nl_msg* m = add(RTM_NEWLINK, 0, "mark link \"" + name + "\"");
    parts::append_link(m, AF_UNSPEC, 0, 0, 0);
    nla_put_string(m, IFLA_IFNAME, name.c_str());
    nla_put_string(m, IFLA_IFALIAS, alias.c_str());
    nla_put_u32(m, IFLA_GROUP, 0);
}

void Batch::rename_link(int index, const std::string& name) {
    nl_msg* m = add(RTM_NEWLINK, 0, "name link " + std::to_string(index) + " \"" + name + "\"");
    parts::append_link(m, AF_UNSPEC, index, 0, 0);
    nla_put_string(m, IFLA_IFNAME, name.c_str());
}

void Batch::quiet_link(const std::string& name) {
    nl_msg* m = add(RTM_NEWLINK, 0, "keep link \"" + name + "\" from giving itself an IPv6 address");
    parts::append_link(m, AF_UNSPEC, 0, 0, 0);
    nla_put_string(m, IFLA_IFNAME, name.c_str());
    parts::put_no_own_address(m);
}

void Batch::restrict_arp(const std::string& name) {
    nl_msg* m = add(RTM_NEWLINK, 0, "set ARP of link \"" + name + "\"");
    parts::append_link(m, AF_UNSPEC, 0, 0, 0);
    nla_put_string(m, IFLA_IFNAME, name.c_str());
    nlattr* families = nla_nest_start(m, IFLA_AF_SPEC);
    nlattr* four = nla_nest_start(m, AF_INET);
    nlattr* settings = nla_nest_start(m, IFLA_INET_CONF);
    nla_put_u32(m, IPV4_DEVCONF_ARP_IGNORE, 1);
    nla_put_u32(m, IPV4_DEVCONF_ARP_ANNOUNCE, 2);
    nla_nest_end(m, settings);
    nla_nest_end(m, four);
    nla_nest_end(m, families);
}

void Batch::start_link(const std::string& name, const std::string& mac) {
    nl_msg* m = add(RTM_NEWLINK, 0, "start link \"" + name + "\"");
    parts::append_link(m, AF_UNSPEC, 0, IFF_UP, IFF_UP);
    nla_put_string(m, IFLA_IFNAME, name.c_str());
    if (!mac.empty()) {
        if (auto address = parts::parse_mac(mac))
            nla_put(m, IFLA_ADDRESS, 6, address->data());
        else
            bad_ = fail(Code::invalid, "\"" + mac + "\" is not a MAC address");
    }
}

void Batch::set_default_link(int index, int family) {
    append_link_route(add(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, "set the default route by the link"), index,
                      family, nullptr);
}

void Batch::add_link_route(int index, const std::string& prefix) {
    auto target = parts::parse_prefix(prefix);
    if (!target) {
        bad_ = fail(Code::invalid, "\"" + prefix + "\" is not a route's destination");
        return;
    }
    append_link_route(add(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, "add the route to \"" + prefix + "\""), index,
                      target->family, &*target);
}

void Batch::remove_link_route(int index, const std::string& prefix) {
    auto target = parts::parse_prefix(prefix);
    if (!target) {
        bad_ = fail(Code::invalid, "\"" + prefix + "\" is not a route's destination");
        return;
    }
    append_link_route(add(RTM_DELROUTE, 0, "remove the route to \"" + prefix + "\""), index, target->family, &*target);
}

Result<std::optional<Link>> Socket::find(int index) {
    MessagePtr m(nlmsg_alloc_simple(RTM_GETLINK, NLM_F_REQUEST));
    if (!m) return fail(Code::exhausted, "no memory for a netlink message");
    parts::append_link(m.get(), AF_UNSPEC, index, 0, 0);
    auto links = dump(m.get());
    if (!links && links.error().system_errno != ENODEV)
        return std::move(links).error().context("link " + std::to_string(index));
    if (!links || links->empty()) return std::optional<Link>();
    return std::optional<Link>(std::move(links->front()));
}

// A link of the kind without the parent that it needs: a kernel that knows the kind misses the parent.
Result<bool> Socket::knows_kind(const std::string& kind) {
    Batch probe;
    nl_msg* m = probe.add(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, "ask for links of kind \"" + kind + "\"");
    parts::append_link(m, AF_UNSPEC, 0, 0, 0);
    nlattr* info = nla_nest_start(m, IFLA_LINKINFO);
    nla_put_string(m, IFLA_INFO_KIND, kind.c_str());
    nla_nest_end(m, info);
    auto made = send(std::move(probe));
    if (made) return fail(Code::internal, "a link of kind \"" + kind + "\" was made without a parent");
    if (made.error().system_errno == EOPNOTSUPP) return false;
    if (made.error().system_errno == EINVAL) return true;
    return std::move(made).error();
}

Result<std::vector<std::string>> Socket::link_routes(int index) {
    MessagePtr m(nlmsg_alloc_simple(RTM_GETROUTE, NLM_F_REQUEST | NLM_F_DUMP));
    if (!m) return fail(Code::exhausted, "no memory for a netlink message");
    rtmsg info{};
    info.rtm_family = AF_INET;
    nlmsg_append(m.get(), &info, sizeof info, NLMSG_ALIGNTO);
    std::vector<std::string> found;
    GANTRY_CHECK(ask(m.get(), "ask for routes", [&](nlmsghdr* answer) {
        if (answer->nlmsg_type != RTM_NEWROUTE) return;
        auto* route = static_cast<rtmsg*>(nlmsg_data(answer));
        nlattr* attributes[RTA_MAX + 1];
        if (nlmsg_parse(answer, sizeof(rtmsg), attributes, RTA_MAX, nullptr) < 0) return;
        if (route->rtm_table != RT_TABLE_MAIN || route->rtm_protocol != RTPROT_BOOT || !attributes[RTA_DST] ||
            !attributes[RTA_OIF] || static_cast<int>(nla_get_u32(attributes[RTA_OIF])) != index ||
            nla_len(attributes[RTA_DST]) != sizeof(in_addr))
            return;
        char text[INET_ADDRSTRLEN];
        if (::inet_ntop(AF_INET, nla_data(attributes[RTA_DST]), text, sizeof text))
            found.push_back(std::string(text) + "/" + std::to_string(route->rtm_dst_len));
    }));
    return found;
}

}  // namespace gantry::netlink
