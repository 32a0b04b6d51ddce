#include "core/network/ipam.hpp"

#include <algorithm>
#include <cstdint>

namespace gantry::network {
namespace {

// The longest prefix with room for a gateway and a container.
template <typename Address>
constexpr int longest_subnet = FamilyOf<Address>::bits - 2;

}  // namespace

template <typename Address>
bool IpamOf<Address>::usable(Address address) const {
    if (!subnet_.contains(address)) return false;
    if (subnet_.length > longest_subnet<Address>) return true;
    return address != subnet_.base && (!FamilyOf<Address>::has_broadcast || address != subnet_.last());
}

template <typename Address>
std::size_t IpamOf<Address>::never_given() const {
    if (subnet_.length > longest_subnet<Address>) return 0;
    return FamilyOf<Address>::has_broadcast ? 2 : 1;
}

template <typename Address>
Result<Address> IpamOf<Address>::take() {
    const Address last_try = range_.last() - range_.base;
    for (Address tried = 0;; ++tried) {
        if (!range_.contains(next_)) next_ = range_.base;
        const Address candidate = next_++;
        if (usable(candidate) && taken_.insert(candidate).second) return candidate;
        if (tried == last_try)
            return fail(Code::exhausted, std::string("no available ") + FamilyOf<Address>::name + " addresses");
    }
}

template <typename Address>
Result<void> IpamOf<Address>::take(Address address) {
    if (!usable(address)) return fail(Code::denied, "no configured subnet contains IP address " + show(address));
    if (!taken_.insert(address).second) return fail(Code::denied, "Address already in use");
    return {};
}

template <typename Address>
std::size_t IpamOf<Address>::available() const {
    const Address before_last = range_.last() - range_.base;
    if (sizeof(Address) > sizeof(std::size_t) && before_last >= static_cast<Address>(SIZE_MAX)) return SIZE_MAX;
    std::size_t size = static_cast<std::size_t>(before_last) + 1;
    if (subnet_.length <= longest_subnet<Address>) {
        size -= std::size_t{range_.contains(subnet_.base)};
        if (FamilyOf<Address>::has_broadcast) size -= std::size_t{range_.contains(subnet_.last())};
    }
    const auto used = static_cast<std::size_t>(
        std::count_if(taken_.begin(), taken_.end(), [&](Address a) { return range_.contains(a) && usable(a); }));
    return size - std::min(size, used);
}

template <typename Address>
Result<PrefixOf<Address>> carve(const Pools& pools, std::span<const PrefixOf<Address>> occupied) {
    using PrefixT = PrefixOf<Address>;
    for (const auto& [text, length] : pools) {
        const bool other_family = (text.find(':') != std::string::npos) != !FamilyOf<Address>::has_broadcast;
        if (other_family) continue;
        Address start = 0;
        auto pool = PrefixT::parse(text, &start);
        if (!pool || length < pool->length || length > longest_subnet<Address>)
            return fail(Code::invalid, "address pool \"" + text + "\" of size " + std::to_string(length));
        for (PrefixT candidate = PrefixT::around(start, length);;) {
            auto hit = std::find_if(occupied.begin(), occupied.end(),
                                    [&](const PrefixT& other) { return other.overlaps(candidate); });
            if (hit == occupied.end()) return candidate;
            // Over the whole of what is in the way, however large it is.
            const Address over = std::max(candidate.last(), hit->last());
            if (over >= pool->last()) break;
            candidate = PrefixT::around(over + 1, length);
            if (candidate.base <= over) candidate = PrefixT::around(candidate.last() + 1, length);
        }
    }
    return fail(Code::exhausted, "all predefined address pools have been fully subnetted");
}

template class IpamOf<Ipv4>;
template class IpamOf<Ipv6>;
template Result<Prefix> carve<Ipv4>(const Pools& pools, std::span<const Prefix> occupied);
template Result<Prefix6> carve<Ipv6>(const Pools& pools, std::span<const Prefix6> occupied);

}  // namespace gantry::network
