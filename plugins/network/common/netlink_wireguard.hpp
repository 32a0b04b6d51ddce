// WireGuard devices: their keys and peers, by generic netlink (linux/wireguard.h, Linux 5.6). The device itself is a link
// (Batch::add_link) and belongs to the namespace it was made in.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "plugins/network/common/netlink.hpp"

namespace gantry::netlink {

using WireguardKey = std::array<unsigned char, 32>;

// Another host, and what is let in from it and sent to it.
struct WireguardPeer {
    WireguardKey key{};          // its public key
    std::string address;         // IPv4
    std::uint16_t port = 0;      // UDP
    std::string allowed;         // one prefix, "fe80::1/128"
    std::int64_t handshake = 0;  // read only: when the two last agreed on keys, seconds since 1970; 0: never
    bool same_place(const WireguardPeer& other) const {
        return address == other.address && port == other.port && allowed == other.allowed;
    }
};

// What is asked of a device. What is not named stays.
struct WireguardChange {
    std::optional<WireguardKey> private_key;
    std::optional<std::uint16_t> port;  // 0: a free one; taken when the device is set up
    std::vector<WireguardPeer> set;     // made, or changed without an end of what was agreed on
    std::vector<WireguardKey> remove;   // gone is success
};

struct WireguardState {
    std::uint16_t port = 0;
    std::vector<WireguardPeer> peers;
};

// As Socket: of the namespace of the thread that opened it, not for several threads at once.
class Wireguard {
public:
    // GANTRY_UNSUPPORTED: the kernel has no WireGuard (or its module is not loaded yet: a device loads it).
    static Result<Wireguard> open();
    // In order, in as many messages as it takes; the first failure ends it.
    Result<void> change(const std::string& device, const WireguardChange& change);
    Result<WireguardState> state(const std::string& device);

private:
    Wireguard(Socket socket, int family) : socket_(std::move(socket)), family_(family) {}
    MessagePtr message(int command, int flags, const std::string& device) const;
    Socket socket_;
    int family_;
};

// The peers in one answer of the kernel, appended to `state`; a peer that goes on in the next answer is one.
void read_wireguard(const void* message, WireguardState& state);

}  // namespace gantry::netlink
