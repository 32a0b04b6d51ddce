// Which ports of the host belong to which endpoint. In memory; the service records claims in the store.
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <gantry/result.hpp>

#include "core/network/network_service.hpp"

namespace gantry::network {

// Not thread-safe.
class PortTable {
public:
    // GANTRY_CONFLICT in Docker's words where another endpoint has the port on this or on any address. Whether the owner's
    // own ports meet is the owner's to see (overlap()).
    Result<void> claim(const Port& port, std::string_view owner);
    // A free one from 32768 on, next-fit; GANTRY_EXHAUSTED where there is none.
    // `host_addresses`: all of them get it.
    Result<std::uint16_t> claim_ephemeral(const std::string& protocol, const std::vector<std::string>& host_addresses,
                                          std::string_view owner);
    void release(const Port& port, std::string_view owner);
    // The key of a claim in the store: "tcp/4000/0.0.0.0".
    static std::string key(const Port& port);
    // One number of one protocol on the same address, or on any address of the family.
    static bool overlap(const Port& a, const Port& b);
    static Error taken(const Port& port);

private:
    bool free(const Port& port, std::string_view owner) const;
    std::map<std::pair<std::string, std::uint16_t>, std::map<std::string, std::string>> owners_;  // address -> endpoint
    std::uint16_t next_ = 0;
};

// Protocol, address and numbers of a wish; an IPv6 address in its one form.
Result<Port> checked_port(Port port);

}  // namespace gantry::network
