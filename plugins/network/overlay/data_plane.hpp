// One overlay network in this host's kernel: a bridge, a VXLAN device as one of its ports, and what the device knows of
// addresses on other hosts, all of it put there ahead and nothing learned. Below the device of an encrypted network is its
// tunnel.
#pragma once
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "plugins/network/common/bridge/link.hpp"
#include "plugins/network/overlay/source.hpp"
#include "plugins/network/overlay/tunnel.hpp"

namespace gantry::overlay {

// Where an address of another host is.
struct Place {
    std::string mac, vtep;
    bool operator==(const Place&) const = default;
};
using Places = std::map<std::uint32_t, Place>;

// Of all hosts but this one, less the addresses that this host has itself. Of the hosts' blocks all addresses lead to their
// hosts, so that a container is reached as soon as it starts, also when nobody can be told of it; 16,384 of them at most.
Places places_of(const std::vector<Peer>& peers, const std::set<std::uint32_t>& own);

// Thread-safe.
class DataPlane {
public:
    struct Spec {
        bridge::BridgeSpec bridge;
        netlink::Vxlan vxlan;                // `master` and `link` are found
        std::string tunnel_name;             // that it has, or would have
        std::optional<Tunnel::Spec> tunnel;  // of an encrypted network: vxlan.local is this host's address in it
    };
    explicit DataPlane(Spec spec) : spec_(std::move(spec)) {
        if (spec_.tunnel) tunnel_.emplace(*spec_.tunnel);
    }

    // Makes or mends bridge and device; the tables stay. A device of another number, address or port is made anew.
    Result<void> ensure();
    // From now on exactly these, and `peers` at the other ends of an encrypted network's ways. `whole`: compared with what the kernel has, and the devices are mended; otherwise with
    // what was put there last. Not `settled`: what is there besides stays.
    Result<void> apply(const Places& wanted, const std::vector<Peer>& peers, bool whole, bool settled);
    // GANTRY_BUSY while containers are attached; gone is success.
    Result<void> remove();
    Result<NetworkDriver::State> state();
    const Spec& spec() const { return spec_; }
    // Of an encrypted network, after ensure().
    std::optional<TunnelEnd> tunnel_end();

private:
    Result<int> ensure_devices(netlink::Socket& host);  // mutex held; gives the device's index
    const Spec spec_;
    std::mutex mutex_;
    std::optional<Tunnel> tunnel_;
    int tunnel_index_ = 0;
    Places known_;
    bool known_is_true_ = false;  // known_ is what the kernel was given
};

}  // namespace gantry::overlay
