// The way between hosts of an encrypted network: a WireGuard device of the network's own, and this host's keys for it. The
// network's VXLAN device sends and hears through that device alone, from an IPv6 link-local address that follows from the
// host's public key: what comes from elsewhere is not taken, and without the device nothing leaves (both Linux's doing: a
// VXLAN device of link-local addresses hears on its lower link only, and ends with it).
#pragma once
#include <map>
#include <string>
#include <vector>

#include "plugins/network/common/netlink_wireguard.hpp"
#include "plugins/network/overlay/source.hpp"

namespace gantry::overlay {

// IPv4, UDP and WireGuard around it.
inline constexpr int tunnel_wrapping_bytes = 60;

struct TunnelKeys {
    netlink::WireguardKey secret{};
    std::string public_key;  // base64
    std::uint16_t port = 0;  // that it had the last time; 0: none yet
};

// Of network `id`, from "DIRECTORY/ID.wireguard" (0600); made where there are none. GANTRY_CORRUPT: a damaged file.
Result<TunnelKeys> tunnel_keys(const std::string& directory, const std::string& id);
Result<void> keep_tunnel_keys(const std::string& directory, const std::string& id, const TunnelKeys& keys);
void drop_tunnel_keys(const std::string& directory, const std::string& id);
// X25519 (RFC 7748): the public key of a secret one.
Result<netlink::WireguardKey> public_key_of(const netlink::WireguardKey& secret);
std::optional<netlink::WireguardKey> parse_key(const std::string& base64);
// "fe80::..", of the host with this public key.
std::string tunnel_address(const netlink::WireguardKey& public_key);

// Not thread-safe.
class Tunnel {
public:
    struct Spec {
        std::string name, mark;
        std::string directory, network;  // of the keys
        TunnelKeys keys;
        std::uint16_t port = 0;  // that the user wants; 0: the last one, or one that is free
        int mtu = 0;
    };
    explicit Tunnel(Spec spec) : spec_(std::move(spec)) {}

    // Makes or mends the device; gives its index. Peers stay.
    Result<int> ensure(netlink::Socket& host);
    // Exactly these hosts; what was agreed on with those that stay goes on. Not `settled`: others stay too.
    Result<void> apply(const std::vector<Peer>& peers, bool settled);
    // Valid after ensure().
    TunnelEnd end() const { return {spec_.keys.public_key, port_}; }
    const Spec& spec() const { return spec_; }

private:
    Result<void> make(netlink::Socket& host);
    Result<void> start(netlink::Socket& host, const netlink::Link& link);
    Spec spec_;
    std::uint16_t port_ = 0;
};

// Peers as the VXLAN device sees them: at their addresses in the tunnel. Those without a key are left out.
std::vector<Peer> behind_tunnel(std::vector<Peer> peers);

}  // namespace gantry::overlay
