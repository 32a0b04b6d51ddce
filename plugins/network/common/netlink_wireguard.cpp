#include "plugins/network/common/netlink_wireguard.hpp"

#include <linux/genetlink.h>
#include <linux/wireguard.h>
#include <netinet/in.h>

#include <cstring>

#include "plugins/network/common/netlink_parts.hpp"

namespace gantry::netlink {
namespace {

constexpr std::size_t peers_per_message = 64;
constexpr int keepalive_seconds =
    25;  // what stands between the hosts forgets a UDP flow after 30 (wireguard.com/quickstart)

void put_generic(nl_msg* m, int command) {
    genlmsghdr body{};
    body.cmd = static_cast<std::uint8_t>(command);
    body.version = WG_GENL_VERSION;
    nlmsg_append(m, &body, sizeof body, NLMSG_ALIGNTO);
}

nlattr* nest(nl_msg* m, int type) { return nla_nest_start(m, type | NLA_F_NESTED); }

Result<void> put_peer(nl_msg* m, const WireguardPeer& peer) {
    sockaddr_in endpoint{};
    endpoint.sin_family = AF_INET;
    endpoint.sin_port = htons(peer.port);
    const auto allowed = parts::parse_prefix(peer.allowed);
    if (::inet_pton(AF_INET, peer.address.c_str(), &endpoint.sin_addr) != 1)
        return fail(Code::invalid, "\"" + peer.address + "\" is not an IPv4 address");
    if (!allowed) return fail(Code::invalid, "\"" + peer.allowed + "\" is not a prefix");
    nlattr* one = nest(m, 0);
    nla_put(m, WGPEER_A_PUBLIC_KEY, static_cast<int>(peer.key.size()), peer.key.data());
    nla_put_u32(m, WGPEER_A_FLAGS, WGPEER_F_REPLACE_ALLOWEDIPS);
    nla_put(m, WGPEER_A_ENDPOINT, sizeof endpoint, &endpoint);
    nla_put_u16(m, WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, keepalive_seconds);
    nlattr* all = nest(m, WGPEER_A_ALLOWEDIPS);
    nlattr* ip = nest(m, 0);
    nla_put_u16(m, WGALLOWEDIP_A_FAMILY, static_cast<std::uint16_t>(allowed->family));
    nla_put(m, WGALLOWEDIP_A_IPADDR, allowed->size(), &allowed->bytes);
    nla_put_u8(m, WGALLOWEDIP_A_CIDR_MASK, static_cast<std::uint8_t>(allowed->length));
    nla_nest_end(m, ip);
    nla_nest_end(m, all);
    nla_nest_end(m, one);
    return {};
}

void put_removal(nl_msg* m, const WireguardKey& key) {
    nlattr* one = nest(m, 0);
    nla_put(m, WGPEER_A_PUBLIC_KEY, static_cast<int>(key.size()), key.data());
    nla_put_u32(m, WGPEER_A_FLAGS, WGPEER_F_REMOVE_ME);
    nla_nest_end(m, one);
}

std::string allowed_text(const nlattr* list) {
    nlattr* ip = nullptr;
    int left = 0;
    nla_for_each_nested(ip, list, left) {
        nlattr* a[WGALLOWEDIP_A_MAX + 1];
        if (nla_parse_nested(a, WGALLOWEDIP_A_MAX, ip, nullptr) < 0) continue;
        if (!a[WGALLOWEDIP_A_FAMILY] || !a[WGALLOWEDIP_A_IPADDR] || !a[WGALLOWEDIP_A_CIDR_MASK]) continue;
        const int family = nla_get_u16(a[WGALLOWEDIP_A_FAMILY]);
        const int size = family == AF_INET6 ? sizeof(in6_addr) : sizeof(in_addr);
        char text[INET6_ADDRSTRLEN];
        if (nla_len(a[WGALLOWEDIP_A_IPADDR]) != size ||
            !::inet_ntop(family, nla_data(a[WGALLOWEDIP_A_IPADDR]), text, sizeof text))
            continue;
        return std::string(text) + "/" + std::to_string(nla_get_u8(a[WGALLOWEDIP_A_CIDR_MASK]));
    }
    return "";
}

std::optional<WireguardPeer> read_peer(nlattr* attribute) {
    nlattr* a[WGPEER_A_MAX + 1];
    if (nla_parse_nested(a, WGPEER_A_MAX, attribute, nullptr) < 0) return std::nullopt;
    WireguardPeer peer;
    if (!a[WGPEER_A_PUBLIC_KEY] || nla_len(a[WGPEER_A_PUBLIC_KEY]) != static_cast<int>(peer.key.size()))
        return std::nullopt;
    std::memcpy(peer.key.data(), nla_data(a[WGPEER_A_PUBLIC_KEY]), peer.key.size());
    if (a[WGPEER_A_ENDPOINT] && nla_len(a[WGPEER_A_ENDPOINT]) == static_cast<int>(sizeof(sockaddr_in))) {
        sockaddr_in endpoint{};
        std::memcpy(&endpoint, nla_data(a[WGPEER_A_ENDPOINT]), sizeof endpoint);
        char text[INET_ADDRSTRLEN] = "";
        ::inet_ntop(AF_INET, &endpoint.sin_addr, text, sizeof text);
        peer.address = text;
        peer.port = ntohs(endpoint.sin_port);
    }
    if (a[WGPEER_A_ALLOWEDIPS]) peer.allowed = allowed_text(a[WGPEER_A_ALLOWEDIPS]);
    if (a[WGPEER_A_LAST_HANDSHAKE_TIME] && nla_len(a[WGPEER_A_LAST_HANDSHAKE_TIME]) >= 8)
        std::memcpy(&peer.handshake, nla_data(a[WGPEER_A_LAST_HANDSHAKE_TIME]), sizeof peer.handshake);
    return peer;
}

}  // namespace

void read_wireguard(const void* message, WireguardState& state) {
    auto* header = static_cast<nlmsghdr*>(const_cast<void*>(message));
    nlattr* a[WGDEVICE_A_MAX + 1];
    if (nlmsg_parse(header, sizeof(genlmsghdr), a, WGDEVICE_A_MAX, nullptr) < 0) return;
    if (a[WGDEVICE_A_LISTEN_PORT]) state.port = nla_get_u16(a[WGDEVICE_A_LISTEN_PORT]);
    if (!a[WGDEVICE_A_PEERS]) return;
    nlattr* one = nullptr;
    int left = 0;
    nla_for_each_nested(one, a[WGDEVICE_A_PEERS], left) {
        auto peer = read_peer(one);
        if (!peer) continue;
        if (!state.peers.empty() && state.peers.back().key == peer->key) {
            if (state.peers.back().allowed.empty()) state.peers.back().allowed = peer->allowed;
            continue;
        }
        state.peers.push_back(std::move(*peer));
    }
}

Result<Wireguard> Wireguard::open() {
    GANTRY_TRY(Socket socket, Socket::open_generic());
    MessagePtr m(nlmsg_alloc_simple(GENL_ID_CTRL, NLM_F_REQUEST));
    if (!m) return fail(Code::exhausted, "no memory for a netlink message");
    genlmsghdr body{};
    body.cmd = CTRL_CMD_GETFAMILY;
    body.version = 1;
    nlmsg_append(m.get(), &body, sizeof body, NLMSG_ALIGNTO);
    nla_put_string(m.get(), CTRL_ATTR_FAMILY_NAME, WG_GENL_NAME);
    int family = 0;
    auto asked = socket.ask(m.get(), "ask for WireGuard", [&](nlmsghdr* answer) {
        nlattr* a[CTRL_ATTR_MAX + 1];
        if (nlmsg_parse(answer, sizeof(genlmsghdr), a, CTRL_ATTR_MAX, nullptr) == 0 && a[CTRL_ATTR_FAMILY_ID])
            family = nla_get_u16(a[CTRL_ATTR_FAMILY_ID]);
    });
    if (!asked && asked.error().system_errno != ENOENT) return std::move(asked).error();
    if (family == 0) return fail(Code::unsupported, "this kernel has no WireGuard");
    return Wireguard(std::move(socket), family);
}

MessagePtr Wireguard::message(int command, int flags, const std::string& device) const {
    MessagePtr m(nlmsg_alloc_simple(family_, NLM_F_REQUEST | flags));
    if (!m) throw std::bad_alloc();
    put_generic(m.get(), command);
    nla_put_string(m.get(), WGDEVICE_A_IFNAME, device.c_str());
    return m;
}

Result<void> Wireguard::change(const std::string& device, const WireguardChange& change) {
    const std::string doing = "set WireGuard device \"" + device + "\"";
    auto send = [&](const MessagePtr& m) { return socket_.ask(m.get(), doing, [](nlmsghdr*) {}); };
    if (change.private_key || change.port) {
        MessagePtr m = message(WG_CMD_SET_DEVICE, NLM_F_ACK, device);
        if (change.private_key)
            nla_put(m.get(), WGDEVICE_A_PRIVATE_KEY, static_cast<int>(change.private_key->size()),
                    change.private_key->data());
        if (change.port) nla_put_u16(m.get(), WGDEVICE_A_LISTEN_PORT, *change.port);
        GANTRY_CHECK(send(m));
    }
    const std::size_t all = change.remove.size() + change.set.size();
    for (std::size_t begin = 0; begin < all; begin += peers_per_message) {
        MessagePtr m = message(WG_CMD_SET_DEVICE, NLM_F_ACK, device);
        nlattr* peers = nest(m.get(), WGDEVICE_A_PEERS);
        for (std::size_t i = begin; i < std::min(all, begin + peers_per_message); ++i) {
            if (i < change.remove.size())
                put_removal(m.get(), change.remove[i]);
            else
                GANTRY_CHECK(put_peer(m.get(), change.set[i - change.remove.size()]));
        }
        nla_nest_end(m.get(), peers);
        GANTRY_CHECK(send(m));
    }
    return {};
}

Result<WireguardState> Wireguard::state(const std::string& device) {
    MessagePtr m = message(WG_CMD_GET_DEVICE, NLM_F_DUMP, device);
    WireguardState state;
    GANTRY_CHECK(socket_.ask(m.get(), "ask for WireGuard device \"" + device + "\"",
                             [&](nlmsghdr* answer) { read_wireguard(answer, state); }));
    return state;
}

}  // namespace gantry::netlink
