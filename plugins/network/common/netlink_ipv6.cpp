// When an interface hears who asks for its IPv6 addresses.
#include <linux/if_addr.h>
#include <time.h>

#include <cstring>
#include <set>

#include "plugins/network/common/netlink.hpp"
#include "plugins/network/common/netlink_parts.hpp"

namespace gantry::netlink {
namespace {

using Group = std::array<unsigned char, sizeof(in6_addr)>;

// ff02::1:ff00:0/104 and the last three bytes (RFC 4291 2.7.1).
Group solicited_node(const in6_addr& address) {
    Group group{0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01, 0xff};
    std::memcpy(group.data() + 13, address.s6_addr + 13, 3);
    return group;
}

}  // namespace

Result<void> Socket::wait_solicited(int index, const std::vector<std::string>& addresses, int patience_ms) {
    std::set<Group> wanted;
    for (const std::string& text : addresses)
        if (auto prefix = parts::parse_prefix(text); prefix && prefix->family == AF_INET6)
            wanted.insert(solicited_node(prefix->bytes));
    for (int waited = 0; !wanted.empty(); ++waited) {
        MessagePtr m(nlmsg_alloc_simple(RTM_GETMULTICAST, NLM_F_REQUEST | NLM_F_DUMP));
        if (!m) return fail(Code::exhausted, "no memory for a netlink message");
        ifaddrmsg body{};
        body.ifa_family = AF_INET6;
        nlmsg_append(m.get(), &body, sizeof body, NLMSG_ALIGNTO);
        GANTRY_CHECK(ask(m.get(), "ask for multicast groups", [&](nlmsghdr* answer) {
            nlattr* attributes[IFA_MAX + 1];
            if (answer->nlmsg_type != RTM_GETMULTICAST ||
                nlmsg_parse(answer, sizeof(ifaddrmsg), attributes, IFA_MAX, nullptr) < 0)
                return;
            const nlattr* group = attributes[IFA_MULTICAST];
            if (!group || nla_len(group) != static_cast<int>(sizeof(Group)) ||
                static_cast<const ifaddrmsg*>(nlmsg_data(answer))->ifa_index != static_cast<unsigned>(index))
                return;
            Group joined;
            std::memcpy(joined.data(), nla_data(group), sizeof joined);
            wanted.erase(joined);
        }));
        if (wanted.empty()) break;
        if (waited >= patience_ms)
            return fail(Code::deadline, "link " + std::to_string(index) + " does not hear who asks for its addresses");
        const timespec pause{0, 1'000'000};
        ::nanosleep(&pause, nullptr);
    }
    return {};
}

}  // namespace gantry::netlink
