#include "plugins/network/common/netlink.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <linux/if.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

#include <array>
#include <cstdio>

#include <gantry/unique_fd.hpp>

#include "plugins/network/common/netlink_parts.hpp"

namespace gantry::netlink {
namespace {

constexpr int answer_timeout_seconds = 10;  // the kernel answers before sendmsg returns; this is for a lost answer
constexpr std::size_t receive_bytes = 64u << 10;

using parts::append_link;
using parts::parse_mac;
using parts::parse_prefix;
using parts::put_mtu;

std::string show_mac(const unsigned char* m) {
    char text[18];
    std::snprintf(text, sizeof text, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
    return text;
}

Link read_link(nlmsghdr* header) {
    auto* info = static_cast<ifinfomsg*>(nlmsg_data(header));
    nlattr* attributes[IFLA_MAX + 1];
    Link link;
    link.index = info->ifi_index;
    link.type = info->ifi_type;
    link.up = (info->ifi_flags & IFF_UP) != 0;
    if (nlmsg_parse(header, sizeof(ifinfomsg), attributes, IFLA_MAX, nullptr) < 0) return link;
    auto text = [&](int type) {
        return attributes[type] ? std::string(nla_get_string(attributes[type])) : std::string();
    };
    link.running = attributes[IFLA_OPERSTATE] && nla_get_u8(attributes[IFLA_OPERSTATE]) == IF_OPER_UP;
    link.name = text(IFLA_IFNAME);
    link.alias = text(IFLA_IFALIAS);
    if (attributes[IFLA_LINK]) link.parent = static_cast<int>(nla_get_u32(attributes[IFLA_LINK]));
    if (attributes[IFLA_GROUP]) link.group = nla_get_u32(attributes[IFLA_GROUP]);
    if (attributes[IFLA_MASTER]) link.master = static_cast<int>(nla_get_u32(attributes[IFLA_MASTER]));
    if (attributes[IFLA_MTU]) link.mtu = static_cast<int>(nla_get_u32(attributes[IFLA_MTU]));
    if (attributes[IFLA_ADDRESS] && nla_len(attributes[IFLA_ADDRESS]) == 6)
        link.mac = show_mac(static_cast<const unsigned char*>(nla_data(attributes[IFLA_ADDRESS])));
    if (attributes[IFLA_LINKINFO]) {
        nlattr* details[IFLA_INFO_MAX + 1];
        if (nla_parse_nested(details, IFLA_INFO_MAX, attributes[IFLA_LINKINFO], nullptr) == 0 &&
            details[IFLA_INFO_KIND])
            link.kind = nla_get_string(details[IFLA_INFO_KIND]);
    }
    if (nlattr* statistics = attributes[IFLA_STATS64]) {
        rtnl_link_stats64 s{};
        nla_memcpy(&s, statistics, sizeof s);
        link.counters = {{"rx_bytes", s.rx_bytes},     {"rx_packets", s.rx_packets}, {"rx_errors", s.rx_errors},
                         {"rx_dropped", s.rx_dropped}, {"tx_bytes", s.tx_bytes},     {"tx_packets", s.tx_packets},
                         {"tx_errors", s.tx_errors},   {"tx_dropped", s.tx_dropped}};
    }
    return link;
}

// The answer to one request: 0 or an errno, with the kernel's own words where it gave some (extended ack).
Error refusal(nlmsghdr* header, const std::string& doing) {
    auto* error = static_cast<nlmsgerr*>(nlmsg_data(header));
    Error result = fail_errno(doing, -error->error);
    if (header->nlmsg_flags & NLM_F_ACK_TLVS) {
        // With capped acknowledgements only the header of the request comes back before the attributes.
        std::size_t skip = sizeof(nlmsgerr);
        if (!(header->nlmsg_flags & NLM_F_CAPPED)) skip += error->msg.nlmsg_len - sizeof(nlmsghdr);
        if (nlattr* words = nlmsg_find_attr(header, static_cast<int>(skip), NLMSGERR_ATTR_MSG))
            result.text += " (" + std::string(nla_get_string(words)) + ")";
    }
    return result;
}

}  // namespace

void FreeSocket::operator()(nl_sock* socket) const { nl_socket_free(socket); }
void FreeMessage::operator()(nl_msg* message) const { nlmsg_free(message); }

nl_msg* Batch::add(int type, int flags, std::string doing) {
    nl_msg* message = nlmsg_alloc_simple(type, NLM_F_REQUEST | NLM_F_ACK | flags);
    if (!message) throw std::bad_alloc();
    changes_.push_back({MessagePtr(message), std::move(doing)});
    return message;
}

void Batch::add_bridge(const std::string& name, const std::string& mac, int mtu) {
    auto address = parse_mac(mac);
    if (!address) {
        bad_ = fail(Code::invalid, "\"" + mac + "\" is not a MAC address");
        return;
    }
    nl_msg* m = add(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, "make bridge \"" + name + "\"");
    append_link(m, AF_UNSPEC, 0, 0, 0);
    nla_put_string(m, IFLA_IFNAME, name.c_str());
    nla_put(m, IFLA_ADDRESS, 6, address->data());
    put_mtu(m, mtu);
    nlattr* info = nla_nest_start(m, IFLA_LINKINFO);
    nla_put_string(m, IFLA_INFO_KIND, "bridge");
    nla_nest_end(m, info);
}

void Batch::add_veth(const std::string& name, const std::string& peer, const std::string& mac, int mtu, int master,
                     int netns) {
    auto address = parse_mac(mac);
    if (!address) {
        bad_ = fail(Code::invalid, "\"" + mac + "\" is not a MAC address");
        return;
    }
    nl_msg* m = add(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, "make veth \"" + name + "\"");
    append_link(m, AF_UNSPEC, 0, 0, 0);
    nla_put_string(m, IFLA_IFNAME, name.c_str());
    nla_put_u32(m, IFLA_MASTER, static_cast<std::uint32_t>(master));
    put_mtu(m, mtu);
    nlattr* info = nla_nest_start(m, IFLA_LINKINFO);
    nla_put_string(m, IFLA_INFO_KIND, "veth");
    nlattr* data = nla_nest_start(m, IFLA_INFO_DATA);
    nlattr* other = nla_nest_start(m, VETH_INFO_PEER);
    // Down: the kernel refuses to start an end whose other end is not there yet.
    append_link(m, AF_UNSPEC, 0, 0, 0);
    nla_put_string(m, IFLA_IFNAME, peer.c_str());
    nla_put(m, IFLA_ADDRESS, 6, address->data());
    nla_put_u32(m, IFLA_NET_NS_FD, static_cast<std::uint32_t>(netns));
    put_mtu(m, mtu);
    nla_nest_end(m, other);
    nla_nest_end(m, data);
    nla_nest_end(m, info);
}

void Batch::start_port(const std::string& name, PortRule rule) {
    nl_msg* m = add(RTM_NEWLINK, 0, "start bridge port \"" + name + "\"");
    append_link(m, AF_UNSPEC, 0, IFF_UP, IFF_UP);
    nla_put_string(m, IFLA_IFNAME, name.c_str());
    nlattr* info = nla_nest_start(m, IFLA_LINKINFO);
    nla_put_string(m, IFLA_INFO_SLAVE_KIND, "bridge");
    nlattr* data = nla_nest_start(m, IFLA_INFO_SLAVE_DATA);
    nla_put_u8(m, IFLA_BRPORT_MODE, 1);
    nla_put_u8(m, IFLA_BRPORT_ISOLATED, rule == PortRule::isolated ? 1 : 0);
    nla_nest_end(m, data);
    nla_nest_end(m, info);
    parts::put_no_own_address(m);
}

void Batch::set_up(int index) {
    append_link(add(RTM_NEWLINK, 0, "set link " + std::to_string(index) + " up"), AF_UNSPEC, index, IFF_UP, IFF_UP);
}

void Batch::set_mtu(int index, int mtu) {
    nl_msg* m = add(RTM_NEWLINK, 0, "let link " + std::to_string(index) + " carry " + std::to_string(mtu) + " bytes");
    append_link(m, AF_UNSPEC, index, 0, 0);
    put_mtu(m, mtu);
}

void Batch::set_alias(int index, const std::string& alias) {
    nl_msg* m = add(RTM_NEWLINK, 0, "mark link " + std::to_string(index));
    append_link(m, AF_UNSPEC, index, 0, 0);
    nla_put_string(m, IFLA_IFALIAS, alias.c_str());
}

void Batch::add_address(int index, const std::string& text) {
    auto prefix = parse_prefix(text);
    if (!prefix) {
        bad_ = fail(Code::invalid, "\"" + text + "\" is not an address with its prefix length");
        return;
    }
    nl_msg* m = add(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, "add address \"" + text + "\"");
    ifaddrmsg info{};
    info.ifa_family = static_cast<unsigned char>(prefix->family);
    info.ifa_prefixlen = static_cast<unsigned char>(prefix->length);
    info.ifa_scope = RT_SCOPE_UNIVERSE;
    info.ifa_index = static_cast<unsigned>(index);
    // IPAM sees to it that nobody else has it: asking the neighbours would keep it unusable for a second.
    if (prefix->family == AF_INET6) info.ifa_flags = IFA_F_NODAD;
    nlmsg_append(m, &info, sizeof info, NLMSG_ALIGNTO);
    nla_put(m, IFA_LOCAL, prefix->size(), &prefix->bytes);
    nla_put(m, IFA_ADDRESS, prefix->size(), &prefix->bytes);
    if (prefix->family == AF_INET && prefix->length < 31) {
        const std::uint32_t host_bits = 0xffffffffu >> prefix->length;
        const in_addr broadcast{prefix->bytes.s6_addr32[0] | htonl(host_bits)};
        nla_put(m, IFA_BROADCAST, sizeof broadcast, &broadcast);
    }
}

void Batch::set_default_route(int index, const std::string& gateway) {
    auto address = gateway.find('/') == std::string::npos ? parse_prefix(gateway) : std::nullopt;
    if (!address) {
        bad_ = fail(Code::invalid, "gateway \"" + gateway + "\" is not an address");
        return;
    }
    nl_msg* m = add(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, "set the default route by \"" + gateway + "\"");
    rtmsg info{};
    info.rtm_family = static_cast<unsigned char>(address->family);
    info.rtm_table = RT_TABLE_MAIN;
    info.rtm_protocol = RTPROT_BOOT;
    info.rtm_scope = RT_SCOPE_UNIVERSE;
    info.rtm_type = RTN_UNICAST;
    nlmsg_append(m, &info, sizeof info, NLMSG_ALIGNTO);
    nla_put(m, RTA_GATEWAY, address->size(), &address->bytes);
    nla_put_u32(m, RTA_OIF, static_cast<std::uint32_t>(index));
}

void Batch::remove_link(const std::string& name) {
    nl_msg* m = add(RTM_DELLINK, 0, "remove link \"" + name + "\"");
    append_link(m, AF_UNSPEC, 0, 0, 0);
    nla_put_string(m, IFLA_IFNAME, name.c_str());
}

Result<Socket> Socket::open() { return open(NETLINK_ROUTE); }
Result<Socket> Socket::open_generic() { return open(NETLINK_GENERIC); }

Result<Socket> Socket::open(int protocol) {
    SocketPtr socket(nl_socket_alloc());
    if (!socket) return fail(Code::exhausted, "no memory for a netlink socket");
    if (int error = nl_connect(socket.get(), protocol); error < 0)
        return fail(Code::internal, std::string("open a netlink socket: ") + nl_geterror(error));
    return prepared(std::move(socket));
}

Result<Socket> Socket::over(int lent) {
    UniqueFd fd(::fcntl(lent, F_DUPFD_CLOEXEC, 0));
    if (!fd) return fail_errno("use a lent netlink socket");
    int domain = 0, protocol = -1;
    socklen_t size = sizeof domain;
    if (::getsockopt(fd.get(), SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0 ||
        ::getsockopt(fd.get(), SOL_SOCKET, SO_PROTOCOL, &protocol, &size) != 0 || domain != AF_NETLINK ||
        protocol != NETLINK_ROUTE)
        return fail(Code::invalid, "the lent netlink socket is none");
    SocketPtr socket(nl_socket_alloc());
    if (!socket) return fail(Code::exhausted, "no memory for a netlink socket");
    if (int error = nl_socket_set_fd(socket.get(), NETLINK_ROUTE, fd.get()); error < 0)
        return fail(Code::internal, std::string("use a lent netlink socket: ") + nl_geterror(error));
    (void)fd.release();
    return prepared(std::move(socket));
}

Socket Socket::prepared(SocketPtr socket) {
    const int fd = nl_socket_get_fd(socket.get()), on = 1;
    ::setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
    ::setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
    const timeval patience{answer_timeout_seconds, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return Socket(std::move(socket));
}

Result<void> Socket::send(Batch batch) {
    if (batch.bad_) return std::move(*batch.bad_);
    if (batch.changes_.empty()) return {};
    const std::uint32_t first = sequence_ + 1;
    std::vector<iovec> parts;
    for (Batch::Change& change : batch.changes_) {
        nlmsghdr* header = nlmsg_hdr(change.message.get());
        header->nlmsg_seq = ++sequence_;
        header->nlmsg_pid = nl_socket_get_local_port(socket_.get());
        parts.push_back({header, NLMSG_ALIGN(header->nlmsg_len)});
    }
    sockaddr_nl kernel{};
    kernel.nl_family = AF_NETLINK;
    msghdr message{};
    message.msg_name = &kernel;
    message.msg_namelen = sizeof kernel;
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    const int fd = nl_socket_get_fd(socket_.get());
    if (::sendmsg(fd, &message, 0) < 0) return fail_errno(batch.changes_.front().doing);

    std::optional<Error> failed;
    std::size_t answered = 0;
    alignas(nlmsghdr) char buffer[8192];
    while (answered < batch.changes_.size()) {
        ssize_t length = ::recv(fd, buffer, sizeof buffer, 0);
        if (length < 0 && errno == EINTR) continue;
        if (length < 0) return fail_errno(batch.changes_[answered].doing + ": wait for the kernel's answer");
        int left = static_cast<int>(length);
        for (auto* header = reinterpret_cast<nlmsghdr*>(buffer); nlmsg_ok(header, left);
             header = nlmsg_next(header, &left)) {
            if (header->nlmsg_type != NLMSG_ERROR || header->nlmsg_seq < first) continue;
            const std::size_t which = header->nlmsg_seq - first;
            if (which >= batch.changes_.size()) continue;
            ++answered;
            if (static_cast<nlmsgerr*>(nlmsg_data(header))->error != 0 && !failed)
                failed = refusal(header, batch.changes_[which].doing);
        }
    }
    if (failed) return std::move(*failed);
    return {};
}

Result<void> Socket::ask(nl_msg* request, const std::string& doing, const std::function<void(nlmsghdr*)>& each) {
    nlmsghdr* header = nlmsg_hdr(request);
    header->nlmsg_seq = ++sequence_;
    header->nlmsg_pid = nl_socket_get_local_port(socket_.get());
    const int fd = nl_socket_get_fd(socket_.get());
    const bool several = (header->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
    if (::send(fd, header, header->nlmsg_len, 0) < 0) return fail_errno(doing);
    std::unique_ptr<char[]> buffer(new char[receive_bytes]);
    for (;;) {
        ssize_t length = ::recv(fd, buffer.get(), receive_bytes, 0);
        if (length < 0 && errno == EINTR) continue;
        if (length < 0) return fail_errno(doing);
        int left = static_cast<int>(length);
        for (auto* answer = reinterpret_cast<nlmsghdr*>(buffer.get()); nlmsg_ok(answer, left);
             answer = nlmsg_next(answer, &left)) {
            if (answer->nlmsg_seq != sequence_) continue;
            if (answer->nlmsg_type == NLMSG_DONE) return {};
            if (answer->nlmsg_type == NLMSG_ERROR) {
                if (static_cast<nlmsgerr*>(nlmsg_data(answer))->error == 0) return {};
                return refusal(answer, doing);
            }
            each(answer);
            if (!several) return {};
        }
    }
}

Result<std::vector<Link>> Socket::dump(nl_msg* request) {
    std::vector<Link> links;
    GANTRY_CHECK(ask(request, "ask for links", [&](nlmsghdr* answer) {
        if (answer->nlmsg_type == RTM_NEWLINK) links.push_back(read_link(answer));
    }));
    return links;
}

Result<std::optional<Link>> Socket::find(const std::string& name) {
    MessagePtr m(nlmsg_alloc_simple(RTM_GETLINK, NLM_F_REQUEST));
    if (!m) return fail(Code::exhausted, "no memory for a netlink message");
    append_link(m.get(), AF_UNSPEC, 0, 0, 0);
    nla_put_string(m.get(), IFLA_IFNAME, name.c_str());
    auto links = dump(m.get());
    if (!links) {
        if (links.error().system_errno == ENODEV) return std::optional<Link>();
        return std::move(links).error().context("link \"" + name + "\"");
    }
    if (links->empty()) return std::optional<Link>();
    return std::optional<Link>(std::move(links->front()));
}

Result<void> Socket::wait_running(const std::string& name, int patience_ms) {
    for (int waited = 0;; ++waited) {
        GANTRY_TRY(auto link, find(name));
        if (!link || link->running) return {};
        if (waited >= patience_ms)
            return fail(Code::deadline, "link \"" + name + "\" is not running after " + std::to_string(waited) + " ms");
        const timespec pause{0, 1'000'000};
        ::nanosleep(&pause, nullptr);
    }
}

Result<std::vector<Link>> Socket::list(std::string_view kind) {
    MessagePtr m(nlmsg_alloc_simple(RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP));
    if (!m) return fail(Code::exhausted, "no memory for a netlink message");
    append_link(m.get(), AF_UNSPEC, 0, 0, 0);
    nlattr* info = nla_nest_start(m.get(), IFLA_LINKINFO);
    nla_put_string(m.get(), IFLA_INFO_KIND, std::string(kind).c_str());
    nla_nest_end(m.get(), info);
    GANTRY_TRY(std::vector<Link> links, dump(m.get()));
    std::erase_if(links, [&](const Link& link) { return link.kind != kind; });
    return links;
}

Result<std::vector<Link>> Socket::ports(int master) {
    MessagePtr m(nlmsg_alloc_simple(RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP));
    if (!m) return fail(Code::exhausted, "no memory for a netlink message");
    append_link(m.get(), AF_UNSPEC, 0, 0, 0);
    nla_put_u32(m.get(), IFLA_MASTER, static_cast<std::uint32_t>(master));
    GANTRY_TRY(std::vector<Link> links, dump(m.get()));
    std::erase_if(links, [&](const Link& link) { return link.master != master; });
    return links;
}

}  // namespace gantry::netlink
