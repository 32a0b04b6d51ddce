// Bridges that are put away and taken again.
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>

#include "plugins/network/common/netlink.hpp"
#include "plugins/network/common/netlink_parts.hpp"

namespace gantry::netlink {
namespace {

constexpr std::uint32_t ageing_ticks = 300 * 100;  // IEEE 802.1D's 300 s in the kernel's unit for users, 1/100 s

}  // namespace

void Batch::set_down(int index) {
    parts::append_link(add(RTM_NEWLINK, 0, "set link " + std::to_string(index) + " down"), AF_UNSPEC, index, 0, IFF_UP);
}

void Batch::renew_bridge(int index, const std::string& name, const std::string& mac, int mtu) {
    auto address = parts::parse_mac(mac);
    if (!address) {
        bad_ = fail(Code::invalid, "\"" + mac + "\" is not a MAC address");
        return;
    }
    nl_msg* m = add(RTM_NEWLINK, 0, "make bridge \"" + name + "\" of link " + std::to_string(index));
    parts::append_link(m, AF_UNSPEC, index, 0, 0);
    nla_put_string(m, IFLA_IFNAME, name.c_str());
    nla_put(m, IFLA_ADDRESS, 6, address->data());
    parts::put_mtu(m, mtu);
    nlattr* info = nla_nest_start(m, IFLA_LINKINFO);
    nla_put_string(m, IFLA_INFO_KIND, "bridge");
    nlattr* data = nla_nest_start(m, IFLA_INFO_DATA);
    nla_put_u32(m, IFLA_BR_STP_STATE, 0);
    nla_put_u32(m, IFLA_BR_AGEING_TIME, ageing_ticks);
    nla_put_flag(m, IFLA_BR_FDB_FLUSH);
    nla_nest_end(m, data);
    nla_nest_end(m, info);
}

void Batch::stop_vlan_filtering(int index) {
    nl_msg* m = add(RTM_NEWLINK, 0, "let link " + std::to_string(index) + " pass by VLANs");
    parts::append_link(m, AF_UNSPEC, index, 0, 0);
    nlattr* info = nla_nest_start(m, IFLA_LINKINFO);
    nla_put_string(m, IFLA_INFO_KIND, "bridge");
    nlattr* data = nla_nest_start(m, IFLA_INFO_DATA);
    nla_put_u8(m, IFLA_BR_VLAN_FILTERING, 0);
    nla_nest_end(m, data);
    nla_nest_end(m, info);
}

Result<void> Socket::flush_addresses(int index) {
    MessagePtr m(nlmsg_alloc_simple(RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP));
    if (!m) return fail(Code::exhausted, "no memory for a netlink message");
    ifaddrmsg all{};
    nlmsg_append(m.get(), &all, sizeof all, NLMSG_ALIGNTO);
    Batch removals;
    GANTRY_CHECK(ask(m.get(), "ask for addresses", [&](nlmsghdr* answer) {
        nlattr* attributes[IFA_MAX + 1];
        const auto* info = static_cast<const ifaddrmsg*>(nlmsg_data(answer));
        if (answer->nlmsg_type != RTM_NEWADDR || info->ifa_index != static_cast<unsigned>(index) ||
            nlmsg_parse(answer, sizeof(ifaddrmsg), attributes, IFA_MAX, nullptr) < 0)
            return;
        nl_msg* removal = removals.add(RTM_DELADDR, 0, "take an address from link " + std::to_string(index));
        ifaddrmsg which{};
        which.ifa_family = info->ifa_family;
        which.ifa_prefixlen = info->ifa_prefixlen;
        which.ifa_index = info->ifa_index;
        nlmsg_append(removal, &which, sizeof which, NLMSG_ALIGNTO);
        for (const int part : {IFA_LOCAL, IFA_ADDRESS})
            if (attributes[part]) nla_put(removal, part, nla_len(attributes[part]), nla_data(attributes[part]));
    }));
    return send(std::move(removals));
}

}  // namespace gantry::netlink
