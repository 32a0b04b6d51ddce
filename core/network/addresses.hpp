// IPv4 and IPv6 addresses and prefixes as numbers (host byte order). What differs between the families stands in
// FamilyOf; the rest is written once for both.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gantry::network {

using Ipv4 = std::uint32_t;
__extension__ using Ipv6 = unsigned __int128;

// Four decimal numbers, nothing else; nullopt otherwise.
std::optional<Ipv4> parse_ipv4(std::string_view text);
// RFC 4291 2.2, without a zone; nullopt otherwise.
std::optional<Ipv6> parse_ipv6(std::string_view text);
std::string show(Ipv4 address);
// In the one form of RFC 5952.
std::string show(Ipv6 address);

template <typename Address>
struct FamilyOf;
template <>
struct FamilyOf<Ipv4> {
    static constexpr const char* name = "IPv4";
    static constexpr const char* key = "ipv4";  // of claims in the store
    static constexpr int bits = 32;
    static constexpr bool has_broadcast = true;
    static std::optional<Ipv4> parse(std::string_view text) { return parse_ipv4(text); }
};
template <>
struct FamilyOf<Ipv6> {
    static constexpr const char* name = "IPv6";
    static constexpr const char* key = "ipv6";
    static constexpr int bits = 128;
    static constexpr bool has_broadcast = false;  // the first address, of the subnet's routers, is not given either
    static std::optional<Ipv6> parse(std::string_view text) { return parse_ipv6(text); }
};

template <typename Address>
struct PrefixOf {
    using Family = FamilyOf<Address>;
    Address base = 0;  // host bits are zero
    int length = Family::bits;

    static constexpr Address host_mask(int length) {
        return length == 0              ? ~Address{0}
               : length == Family::bits ? Address{0}
                                        : static_cast<Address>((Address{1} << (Family::bits - length)) - 1);
    }
    Address last() const { return base | host_mask(length); }
    bool contains(Address address) const { return address >= base && address <= last(); }
    bool contains(const PrefixOf& other) const { return contains(other.base) && contains(other.last()); }
    bool overlaps(const PrefixOf& other) const { return base <= other.last() && other.base <= last(); }
    std::string text() const { return show(base) + "/" + std::to_string(length); }
    bool operator==(const PrefixOf&) const = default;

    // The prefix of this length around an address.
    static PrefixOf around(Address address, int length) {
        return {static_cast<Address>(address & ~host_mask(length)), length};
    }
    // "172.18.0.0/20"; *given is the address as written. nullopt: not a prefix.
    static std::optional<PrefixOf> parse(std::string_view text, Address* given = nullptr);
};

using Prefix = PrefixOf<Ipv4>;
using Prefix6 = PrefixOf<Ipv6>;
inline Prefix prefix_around(Ipv4 address, int length) { return Prefix::around(address, length); }
inline std::optional<Prefix> parse_prefix(std::string_view text, Ipv4* given = nullptr) {
    return Prefix::parse(text, given);
}

extern template struct PrefixOf<Ipv4>;
extern template struct PrefixOf<Ipv6>;

}  // namespace gantry::network
