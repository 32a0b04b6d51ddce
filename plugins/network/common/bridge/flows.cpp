#include "plugins/network/common/bridge/flows.hpp"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <sys/socket.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <set>
#include <string>

#include "plugins/network/common/bridge/rules.hpp"

namespace gantry::bridge {
namespace {

constexpr int get_flows = (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_GET;
constexpr int delete_flow = (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_DELETE;
constexpr timeval patience{2, 0};  // the kernel answers at once; this is for a lost answer

struct FreeFlowMessage {
    void operator()(nl_msg* message) const { nlmsg_free(message); }
};
using FlowMessage = std::unique_ptr<nl_msg, FreeFlowMessage>;

FlowMessage flow_message(int type, int flags, int family) {
    FlowMessage message(nlmsg_alloc_simple(type, NLM_F_REQUEST | flags));
    if (!message) throw std::bad_alloc();
    nfgenmsg general{};
    general.nfgen_family = static_cast<unsigned char>(family);
    general.version = NFNETLINK_V0;
    nlmsg_append(message.get(), &general, sizeof general, NLMSG_ALIGNTO);
    return message;
}

Result<void> send_flow_message(const UniqueFd& socket, const FlowMessage& message) {
    const nlmsghdr* header = nlmsg_hdr(message.get());
    if (::send(socket.get(), header, header->nlmsg_len, 0) < 0) return fail_errno("ask for flows");
    return {};
}

// The answers to one request, until there are no more.
Result<void> read_answers(const UniqueFd& socket, const std::function<void(nlmsghdr*)>& each) {
    std::vector<char> buffer(64u << 10);
    while (true) {
        const ssize_t length = ::recv(socket.get(), buffer.data(), buffer.size(), 0);
        if (length < 0 && errno == EINTR) continue;
        if (length < 0) return fail_errno("read flows");
        int left = static_cast<int>(length);
        for (auto* header = reinterpret_cast<nlmsghdr*>(buffer.data()); nlmsg_ok(header, left);
             header = nlmsg_next(header, &left)) {
            if (header->nlmsg_type == NLMSG_DONE) return {};
            if (header->nlmsg_type == NLMSG_ERROR) {
                const int error = static_cast<nlmsgerr*>(nlmsg_data(header))->error;
                return error == 0 ? Result<void>() : fail_errno("ask for flows", -error);
            }
            each(header);
        }
    }
}

// The addresses that are the host's own, as text. Loopback is more than what the interface has.
bool is_of_host(const std::string& address, const std::set<std::string>& own) {
    return address.starts_with("127.") || own.contains(address);
}
std::set<std::string> own_addresses() {
    std::set<std::string> own;
    ifaddrs* all = nullptr;
    if (::getifaddrs(&all) != 0) return own;
    for (const ifaddrs* one = all; one; one = one->ifa_next) {
        if (!one->ifa_addr || (one->ifa_addr->sa_family != AF_INET && one->ifa_addr->sa_family != AF_INET6)) continue;
        const bool six = one->ifa_addr->sa_family == AF_INET6;
        const void* bytes = six ? static_cast<const void*>(&reinterpret_cast<sockaddr_in6*>(one->ifa_addr)->sin6_addr)
                                : &reinterpret_cast<sockaddr_in*>(one->ifa_addr)->sin_addr;
        char text[INET6_ADDRSTRLEN];
        if (::inet_ntop(six ? AF_INET6 : AF_INET, bytes, text, sizeof text)) own.insert(text);
    }
    ::freeifaddrs(all);
    return own;
}

// Where the first packet of a flow was sent to; protocol "" for what is not UDP.
PublishedPort destination_of(nlattr* tuple) {
    PublishedPort to;
    nlattr *parts[CTA_TUPLE_MAX + 1], *address[CTA_IP_MAX + 1], *protocol[CTA_PROTO_MAX + 1];
    if (nla_parse_nested(parts, CTA_TUPLE_MAX, tuple, nullptr) < 0 || !parts[CTA_TUPLE_IP] || !parts[CTA_TUPLE_PROTO])
        return to;
    if (nla_parse_nested(address, CTA_IP_MAX, parts[CTA_TUPLE_IP], nullptr) < 0 ||
        nla_parse_nested(protocol, CTA_PROTO_MAX, parts[CTA_TUPLE_PROTO], nullptr) < 0)
        return to;
    if (!protocol[CTA_PROTO_NUM] || nla_get_u8(protocol[CTA_PROTO_NUM]) != IPPROTO_UDP || !protocol[CTA_PROTO_DST_PORT])
        return to;
    nlattr* bytes = address[CTA_IP_V4_DST] ? address[CTA_IP_V4_DST] : address[CTA_IP_V6_DST];
    char text[INET6_ADDRSTRLEN];
    if (!bytes || !::inet_ntop(address[CTA_IP_V4_DST] ? AF_INET : AF_INET6, nla_data(bytes), text, sizeof text))
        return to;
    to.protocol = "udp";
    to.host_address = text;
    to.host_port = ntohs(nla_get_u16(protocol[CTA_PROTO_DST_PORT]));
    return to;
}

}  // namespace

Result<void> forget_flows(const std::vector<PublishedPort>& ports) {
    std::vector<PublishedPort> datagrams;
    std::copy_if(ports.begin(), ports.end(), std::back_inserter(datagrams),
                 [](const PublishedPort& port) { return port.protocol == "udp" && port.host_port != 0; });
    if (datagrams.empty()) return {};
    UniqueFd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER));
    if (!socket) return fail_errno("open a socket for flows");
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    const std::set<std::string> own = own_addresses();
    std::vector<FlowMessage> stale;
    for (const int family : {AF_INET, AF_INET6}) {
        GANTRY_CHECK(send_flow_message(socket, flow_message(get_flows, NLM_F_DUMP, family)));
        GANTRY_CHECK(read_answers(socket, [&](nlmsghdr* header) {
            nlattr* flow[CTA_MAX + 1];
            if (nlmsg_parse(header, sizeof(nfgenmsg), flow, CTA_MAX, nullptr) < 0 || !flow[CTA_TUPLE_ORIG]) return;
            const PublishedPort to = destination_of(flow[CTA_TUPLE_ORIG]);
            const bool meant = std::any_of(datagrams.begin(), datagrams.end(), [&](const PublishedPort& port) {
                return to.protocol == port.protocol && to.host_port == port.host_port &&
                       is_ipv6(to.host_address) == is_ipv6(port.host_address) &&
                       (on_any_address(port) ? is_of_host(to.host_address, own) : to.host_address == port.host_address);
            });
            if (!meant) return;
            FlowMessage message = flow_message(delete_flow, NLM_F_ACK, family);
            for (const int part : {CTA_TUPLE_ORIG, CTA_ZONE, CTA_ID})
                if (flow[part]) nla_put(message.get(), flow[part]->nla_type, nla_len(flow[part]), nla_data(flow[part]));
            stale.push_back(std::move(message));
        }));
    }
    for (const FlowMessage& message : stale) {
        GANTRY_CHECK(send_flow_message(socket, message));
        auto gone = read_answers(socket, [](nlmsghdr*) {});
        if (!gone && gone.error().code != Code::not_found) return gone;
    }
    return {};
}

}  // namespace gantry::bridge
