// Where a network's hosts, addresses and names come from: documents in a directory (documents.hpp) or etcd
// (etcd_source.hpp). One object per network; it watches on a thread of its own.
#pragma once
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <gantry/json.hpp>
#include <gantry/result.hpp>

#include "plugins/network/overlay/addresses.hpp"

namespace gantry::overlay {

// An address of the network that a container has, here or on another host.
struct Member {
    std::uint32_t address = 0;
    std::string mac;
    std::vector<std::string> names;
    bool operator==(const Member&) const = default;
};

// Where a host's end of an encrypted way is.
struct TunnelEnd {
    std::string key;         // its public key, base64; another host's may be anything
    std::uint16_t port = 0;  // UDP, at its vtep
    bool operator==(const TunnelEnd&) const = default;
};

// Another host of the network.
struct Peer {
    std::string host, vtep;
    std::optional<TunnelEnd> tunnel = std::nullopt;  // of an encrypted network
    bool suspect = false;                            // not heard of for a while; all that is known of it stays
    std::vector<Member> members;
    std::vector<Block> blocks;  // of addresses that it gives by itself: they are reached there before they are listed
};

// What every host of the network has to agree on, and what is this host's own.
struct Facts {
    Block subnet;
    std::uint32_t gateway = 0;
    std::uint32_t vni = 0;
    std::string host, vtep;  // this one's
    bool encrypted = false;
    bool operator==(const Facts&) const = default;
};

// The addresses that this host may give by itself.
struct Ranges {
    std::vector<Block> blocks;
    std::vector<std::uint32_t> except;
};

// Thread-safe. What is offered by none but etcd answers GANTRY_UNSUPPORTED elsewhere.
class Source {
public:
    virtual ~Source() = default;
    // Agrees on the network. `subnet`, `gateway`: what it shall have if it is new; nothing elsewhere differs from what is
    // `fixed`, or GANTRY_CONFLICT. Repeatable; answers from what it knew where the store is away.
    virtual Result<Facts> join(const Block& subnet, std::uint32_t gateway, bool fixed) = 0;
    // Calls `changed` on a thread of its own after every change of what peers() gives; with `whole` soon, and at times: what
    // is in the kernel may differ from what was put there. Once per object; no call comes after the destructor.
    virtual void watch(std::function<void(bool whole)> changed) = 0;
    virtual std::vector<Peer> peers() = 0;
    // What peers() gives is what the source says now; otherwise only remembered, and perhaps not all.
    virtual bool settled() { return true; }
    // `more`: those it had are all taken.
    virtual Result<Ranges> ranges(bool more) = 0;
    // An address that the user chose is this host's alone from here on.
    virtual Result<void> claim(std::uint32_t address) = 0;
    virtual void release(std::uint32_t address) = 0;
    // What this host has; does not wait. Until one is `complete` an object that continues an earlier one's work (the
    // engine was restarted) tells nobody: what it does not know of yet must not be taken for gone.
    virtual void publish(std::vector<Member> members, bool complete) = 0;
    // Of an encrypted network: where this host's end of the ways is. Does not wait. Without a body: there is nobody to tell.
    virtual void offer(const TunnelEnd&) {}
    // This host is no longer part of the network.
    virtual Result<void> leave() = 0;
    // For people: {"source": "..", "reachable": bool, "message": ".."}.
    virtual Json status() = 0;
};

}  // namespace gantry::overlay
