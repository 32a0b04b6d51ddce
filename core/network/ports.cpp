#include "core/network/ports.hpp"

#include "core/network/addresses.hpp"

namespace gantry::network {
namespace {
constexpr std::uint16_t ephemeral_first = 32768, ephemeral_last = 60999;

bool is_any(const std::string& address) { return address == "0.0.0.0" || address == "::"; }
bool same_family(const std::string& a, const std::string& b) {
    return (a.find(':') != std::string::npos) == (b.find(':') != std::string::npos);
}
bool meet(const std::string& a, const std::string& b) {
    return same_family(a, b) && (a == b || is_any(a) || is_any(b));
}
}  // namespace

std::string PortTable::key(const Port& port) {
    return port.protocol + "/" + std::to_string(port.host_port) + "/" + port.host_address;
}

bool PortTable::overlap(const Port& a, const Port& b) {
    return a.protocol == b.protocol && a.host_port == b.host_port && meet(a.host_address, b.host_address);
}

Error PortTable::taken(const Port& port) {
    return fail(Code::conflict, "Bind for " + port.host_address + ":" + std::to_string(port.host_port) +
                                    " failed: port is already allocated");
}

bool PortTable::free(const Port& port, std::string_view owner) const {
    auto found = owners_.find({port.protocol, port.host_port});
    if (found == owners_.end()) return true;
    for (const auto& [address, other] : found->second) {
        if (other != owner && meet(address, port.host_address)) return false;
    }
    return true;
}

Result<void> PortTable::claim(const Port& port, std::string_view owner) {
    if (!free(port, owner)) return taken(port);
    owners_[{port.protocol, port.host_port}][port.host_address] = owner;
    return {};
}

Result<std::uint16_t> PortTable::claim_ephemeral(const std::string& protocol,
                                                 const std::vector<std::string>& host_addresses,
                                                 std::string_view owner) {
    for (int tried = 0; tried <= ephemeral_last - ephemeral_first; ++tried) {
        if (next_ < ephemeral_first || next_ > ephemeral_last) next_ = ephemeral_first;
        const std::uint16_t number = next_++;
        // Asking for another one must not give the owner's own again.
        if (owners_.contains({protocol, number})) continue;
        for (const std::string& address : host_addresses) GANTRY_CHECK(claim({protocol, 0, address, number}, owner));
        return number;
    }
    return fail(Code::exhausted, "all ports of the host from 32768 to 60999 are allocated");
}

void PortTable::release(const Port& port, std::string_view owner) {
    auto found = owners_.find({port.protocol, port.host_port});
    if (found == owners_.end()) return;
    auto mine = found->second.find(port.host_address);
    if (mine != found->second.end() && mine->second == owner) found->second.erase(mine);
    if (found->second.empty()) owners_.erase(found);
}

Result<Port> checked_port(Port port) {
    if (port.protocol.empty()) port.protocol = "tcp";
    if (port.protocol != "tcp" && port.protocol != "udp" && port.protocol != "sctp")
        return fail(Code::invalid, "invalid protocol \"" + port.protocol + "\" of a published port: tcp, udp or sctp");
    if (port.container_port == 0) return fail(Code::invalid, "invalid container port \"0\"");
    if (port.host_address.empty() || parse_ipv4(port.host_address)) return port;
    const auto six = parse_ipv6(port.host_address);
    if (six == Ipv6{1})
        return fail(Code::unsupported,
                    "port on address \"::1\": the kernel leads the loopback address of IPv6 to no other interface");
    if (six) port.host_address = show(*six);
    if (!six) return fail(Code::invalid, "invalid IP address \"" + port.host_address + "\" of a published port");
    return port;
}

}  // namespace gantry::network
