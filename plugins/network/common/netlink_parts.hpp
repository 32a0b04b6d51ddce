// Parts of netlink messages, for the files of gantry::netlink alone.
#pragma once
#include <arpa/inet.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

#include <array>
#include <cstdio>
#include <optional>
#include <string>

namespace gantry::netlink::parts {

inline std::optional<std::array<unsigned char, 6>> parse_mac(const std::string& text) {
    std::array<unsigned, 6> v{};
    char rest = 0;
    if (std::sscanf(text.c_str(), "%2x:%2x:%2x:%2x:%2x:%2x%c", &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &rest) != 6)
        return std::nullopt;
    std::array<unsigned char, 6> mac{};
    for (std::size_t i = 0; i < mac.size(); ++i) mac[i] = static_cast<unsigned char>(v[i]);
    return mac;
}

// An address of either family, with the length of its network.
struct Prefix {
    int family = AF_INET, length = 32;
    in6_addr bytes{};  // the first four of them for IPv4
    int size() const { return family == AF_INET6 ? sizeof(in6_addr) : sizeof(in_addr); }
};
inline std::optional<Prefix> parse_prefix(const std::string& text) {
    Prefix prefix;
    if (text.find(':') != std::string::npos) prefix.family = AF_INET6;
    const int most = 8 * prefix.size();
    prefix.length = most;
    const std::size_t slash = text.find('/');
    if (::inet_pton(prefix.family, text.substr(0, slash).c_str(), &prefix.bytes) != 1) return std::nullopt;
    char rest = 0;
    if (slash != std::string::npos && (std::sscanf(text.c_str() + slash + 1, "%3d%c", &prefix.length, &rest) != 1 ||
                                       prefix.length < 1 || prefix.length > most))
        return std::nullopt;
    return prefix;
}

inline void append_link(nl_msg* message, int family, int index, unsigned flags, unsigned change) {
    ifinfomsg info{};
    info.ifi_family = static_cast<unsigned char>(family);
    info.ifi_index = index;
    info.ifi_flags = flags;
    info.ifi_change = change;
    nlmsg_append(message, &info, sizeof info, NLMSG_ALIGNTO);
}

inline void put_mtu(nl_msg* message, int mtu) {
    if (mtu > 0) nla_put_u32(message, IFLA_MTU, static_cast<std::uint32_t>(mtu));
}

// No IPv6 address that nobody asked for.
inline void put_no_own_address(nl_msg* message) {
    nlattr* families = nla_nest_start(message, IFLA_AF_SPEC);
    nlattr* six = nla_nest_start(message, AF_INET6);
    nla_put_u8(message, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
    nla_nest_end(message, six);
    nla_nest_end(message, families);
}

}  // namespace gantry::netlink::parts
