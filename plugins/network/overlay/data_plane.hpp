// One overlay network in this host's kernel: a bridge, a VXLAN device as one of its ports, and what the device knows of
// addresses on other hosts, all of it put there ahead and nothing learned.
#pragma once
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "plugins/network/common/bridge/link.hpp"
#include "plugins/network/overlay/source.hpp"

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
        netlink::Vxlan vxlan;  // `master` is found
    };
    explicit DataPlane(Spec spec) : spec_(std::move(spec)) {}

    // Makes or mends bridge and device; the tables stay. A device of another number, address or port is made anew.
    Result<void> ensure();
    // From now on exactly these. `whole`: compared with what the kernel has, and the devices are mended; otherwise with
    // what was put there last. Not `settled`: what is there besides stays.
    Result<void> apply(const Places& wanted, bool whole, bool settled);
    // GANTRY_BUSY while containers are attached; gone is success.
    Result<void> remove();
    Result<NetworkDriver::State> state();
    const Spec& spec() const { return spec_; }

private:
    Result<int> ensure_devices(netlink::Socket& host);  // mutex held; gives the device's index
    const Spec spec_;
    std::mutex mutex_;
    Places known_;
    bool known_is_true_ = false;  // known_ is what the kernel was given
};

}  // namespace gantry::overlay
