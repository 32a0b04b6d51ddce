// VXLAN devices, and the two tables of each.
#include <arpa/inet.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/socket.h>
#include <sys/socket.h>

#include <cstdio>

#include "plugins/network/common/netlink.hpp"
#include "plugins/network/common/netlink_parts.hpp"

namespace gantry::netlink {
namespace {

constexpr std::size_t dump_bytes = 64u << 10;

std::string mac_text(const nlattr* attribute) {
    const auto* m = static_cast<const unsigned char*>(nla_data(attribute));
    char text[18];
    std::snprintf(text, sizeof text, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
    return text;
}

// The body of a change to either table; what cannot be put into it is named.
Result<void> put_entry(nl_msg* m, int index, Table table, const Neighbour& entry) {
    const auto mac = parts::parse_mac(entry.mac);
    const auto address = parts::parse_prefix(entry.destination);
    if (!mac) return fail(Code::invalid, "\"" + entry.mac + "\" is not a MAC address");
    if (!address || (table == Table::neighbours && address->family != AF_INET))
        return fail(Code::invalid, "\"" + entry.destination + "\" is not an " +
                                       (table == Table::neighbours ? "IPv4" : "IP") + " address");
    ndmsg body{};
    body.ndm_family = table == Table::neighbours ? AF_INET : AF_BRIDGE;
    body.ndm_ifindex = index;
    body.ndm_state = NUD_PERMANENT;
    body.ndm_flags = table == Table::neighbours ? 0 : NTF_SELF;
    nlmsg_append(m, &body, sizeof body, NLMSG_ALIGNTO);
    nla_put(m, NDA_DST, address->size(), &address->bytes);
    if (entry.link != 0) nla_put_u32(m, NDA_IFINDEX, static_cast<std::uint32_t>(entry.link));
    nla_put(m, NDA_LLADDR, static_cast<int>(mac->size()), mac->data());
    return {};
}

}  // namespace

void Batch::add_vxlan(const Vxlan& vxlan) {
    const auto local = parts::parse_prefix(vxlan.local);
    if (!local) {
        bad_ = fail(Code::invalid, "\"" + vxlan.local + "\" is not an IP address");
        return;
    }
    nl_msg* m = add(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, "make VXLAN device \"" + vxlan.name + "\"");
    ifinfomsg link{};
    link.ifi_family = AF_UNSPEC;
    nlmsg_append(m, &link, sizeof link, NLMSG_ALIGNTO);
    nla_put_string(m, IFLA_IFNAME, vxlan.name.c_str());
    nla_put_u32(m, IFLA_MTU, static_cast<std::uint32_t>(vxlan.mtu));
    nla_put_u32(m, IFLA_MASTER, static_cast<std::uint32_t>(vxlan.master));
    nlattr* info = nla_nest_start(m, IFLA_LINKINFO);
    nla_put_string(m, IFLA_INFO_KIND, "vxlan");
    nlattr* data = nla_nest_start(m, IFLA_INFO_DATA);
    nla_put_u32(m, IFLA_VXLAN_ID, vxlan.id);
    nla_put(m, local->family == AF_INET6 ? IFLA_VXLAN_LOCAL6 : IFLA_VXLAN_LOCAL, local->size(), &local->bytes);
    if (vxlan.link != 0) nla_put_u32(m, IFLA_VXLAN_LINK, static_cast<std::uint32_t>(vxlan.link));
    nla_put_u16(m, IFLA_VXLAN_PORT, htons(vxlan.port));
    nla_put_u8(m, IFLA_VXLAN_LEARNING, 0);
    nla_put_u8(m, IFLA_VXLAN_PROXY, 1);
    nla_nest_end(m, data);
    nla_nest_end(m, info);
}

void Batch::add_link(const std::string& name, const std::string& kind) {
    nl_msg* m = add(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, "make " + kind + " \"" + name + "\"");
    ifinfomsg link{};
    link.ifi_family = AF_UNSPEC;
    nlmsg_append(m, &link, sizeof link, NLMSG_ALIGNTO);
    nla_put_string(m, IFLA_IFNAME, name.c_str());
    nlattr* info = nla_nest_start(m, IFLA_LINKINFO);
    nla_put_string(m, IFLA_INFO_KIND, kind.c_str());
    nla_nest_end(m, info);
}

void Batch::set_neighbour(int index, Table table, const Neighbour& entry) {
    // Replaced, never only made: an entry that is there may lead to another host.
    nl_msg* m =
        add(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, "set \"" + entry.mac + "\" to \"" + entry.destination + "\"");
    if (auto put = put_entry(m, index, table, entry); !put) bad_ = std::move(put).error();
}

void Batch::remove_neighbour(int index, Table table, const Neighbour& entry) {
    nl_msg* m = add(RTM_DELNEIGH, 0, "remove \"" + entry.mac + "\" of \"" + entry.destination + "\"");
    if (auto put = put_entry(m, index, table, entry); !put) bad_ = std::move(put).error();
}

Result<bool> read_neighbours(const void* data, std::size_t length, std::uint32_t sequence, int index, Table table,
                             std::vector<Neighbour>& found) {
    int left = static_cast<int>(length);
    for (auto* header = static_cast<nlmsghdr*>(const_cast<void*>(data)); nlmsg_ok(header, left);
         header = nlmsg_next(header, &left)) {
        if (header->nlmsg_seq != sequence) continue;
        if (header->nlmsg_type == NLMSG_DONE) return true;
        if (header->nlmsg_type == NLMSG_ERROR) {
            if (nlmsg_datalen(header) < static_cast<int>(sizeof(nlmsgerr)))
                return fail(Code::internal, "the kernel's answer on neighbours is cut short");
            const int error = static_cast<nlmsgerr*>(nlmsg_data(header))->error;
            if (error == 0) return true;
            return fail_errno("ask for neighbours", -error);
        }
        if (header->nlmsg_type != RTM_NEWNEIGH) continue;
        nlattr* attributes[NDA_MAX + 1];
        if (nlmsg_parse(header, sizeof(ndmsg), attributes, NDA_MAX, nullptr) < 0) continue;
        const auto* body = static_cast<const ndmsg*>(nlmsg_data(header));
        // Older kernels do not narrow the answer to the device that was asked for.
        if (body->ndm_ifindex != index || (body->ndm_state & NUD_PERMANENT) == 0) continue;
        if (body->ndm_family != (table == Table::neighbours ? AF_INET : AF_BRIDGE)) continue;
        const nlattr *mac = attributes[NDA_LLADDR], *address = attributes[NDA_DST];
        if (!mac || !address || nla_len(mac) != 6) continue;
        const bool six = table == Table::forwarding && nla_len(address) == sizeof(in6_addr);
        if (!six && nla_len(address) != sizeof(in_addr)) continue;
        char text[INET6_ADDRSTRLEN];
        ::inet_ntop(six ? AF_INET6 : AF_INET, nla_data(address), text, sizeof text);
        found.push_back({mac_text(mac), text});
    }
    return false;
}

Result<std::vector<Neighbour>> Socket::neighbours(int index, Table table) {
    MessagePtr m(nlmsg_alloc_simple(RTM_GETNEIGH, NLM_F_REQUEST | NLM_F_DUMP));
    if (!m) return fail(Code::exhausted, "no memory for a netlink message");
    ndmsg body{};
    body.ndm_family = table == Table::neighbours ? AF_INET : AF_BRIDGE;
    nlmsg_append(m.get(), &body, sizeof body, NLMSG_ALIGNTO);
    nla_put_u32(m.get(), NDA_IFINDEX, static_cast<std::uint32_t>(index));
    nlmsghdr* header = nlmsg_hdr(m.get());
    header->nlmsg_seq = ++sequence_;
    header->nlmsg_pid = nl_socket_get_local_port(socket_.get());
    const int fd = nl_socket_get_fd(socket_.get());
    if (::send(fd, header, header->nlmsg_len, 0) < 0) return fail_errno("ask for neighbours");
    std::vector<Neighbour> found;
    std::unique_ptr<char[]> buffer(new char[dump_bytes]);
    for (;;) {
        const ssize_t length = ::recv(fd, buffer.get(), dump_bytes, 0);
        if (length < 0 && errno == EINTR) continue;
        if (length < 0) return fail_errno("ask for neighbours");
        GANTRY_TRY(const bool whole,
                   read_neighbours(buffer.get(), static_cast<std::size_t>(length), sequence_, index, table, found));
        if (whole) return found;
    }
}

}  // namespace gantry::netlink
