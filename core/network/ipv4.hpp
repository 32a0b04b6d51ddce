// IPv4 addresses and prefixes as numbers (host byte order).
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gantry::network {

using Ipv4 = std::uint32_t;
// Four decimal numbers, nothing else; nullopt otherwise.
std::optional<Ipv4> parse_ipv4(std::string_view text);
std::string show(Ipv4 address);

struct Prefix {
    Ipv4 base = 0;  // host bits are zero
    int length = 32;
    Ipv4 last() const { return length == 0 ? 0xffffffffu : base | (length == 32 ? 0 : 0xffffffffu >> length); }
    bool contains(Ipv4 address) const { return address >= base && address <= last(); }
    bool contains(const Prefix& other) const { return contains(other.base) && contains(other.last()); }
    bool overlaps(const Prefix& other) const { return base <= other.last() && other.base <= last(); }
    std::string text() const;
    bool operator==(const Prefix&) const = default;
};
// The prefix of this length around an address.
Prefix prefix_around(Ipv4 address, int length);
// "172.18.0.0/20"; *given is the address as written. nullopt: not a prefix.
std::optional<Prefix> parse_prefix(std::string_view text, Ipv4* given = nullptr);

}  // namespace gantry::network
