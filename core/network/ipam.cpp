#include "core/network/ipam.hpp"

#include <algorithm>

namespace gantry::network {

bool Ipam::usable(Ipv4 address) const {
    if (!subnet_.contains(address)) return false;
    return subnet_.length >= 31 || (address != subnet_.base && address != subnet_.last());
}

Result<Ipv4> Ipam::take() {
    const std::uint64_t size = std::uint64_t{range_.last() - range_.base} + 1;
    for (std::uint64_t tried = 0; tried < size; ++tried) {
        if (!range_.contains(next_)) next_ = range_.base;
        const Ipv4 candidate = next_++;
        if (usable(candidate) && taken_.insert(candidate).second) return candidate;
    }
    return fail(Code::exhausted, "no available IPv4 addresses");
}

Result<void> Ipam::take(Ipv4 address) {
    if (!usable(address)) return fail(Code::denied, "no configured subnet contains IP address " + show(address));
    if (!taken_.insert(address).second) return fail(Code::denied, "Address already in use");
    return {};
}

std::size_t Ipam::available() const {
    std::size_t size = std::size_t{range_.last() - range_.base} + 1;
    if (subnet_.length < 31)
        size -= std::size_t{range_.contains(subnet_.base)} + std::size_t{range_.contains(subnet_.last())};
    const auto used = static_cast<std::size_t>(
        std::count_if(taken_.begin(), taken_.end(), [&](Ipv4 a) { return range_.contains(a) && usable(a); }));
    return size - std::min(size, used);
}

Result<Prefix> carve(const std::vector<std::pair<std::string, int>>& pools, std::span<const Prefix> occupied) {
    for (const auto& [text, length] : pools) {
        Ipv4 start = 0;
        auto pool = parse_prefix(text, &start);
        if (!pool || length < pool->length || length > 30)
            return fail(Code::invalid, "address pool \"" + text + "\" of size " + std::to_string(length));
        const std::uint64_t step = std::uint64_t{1} << (32 - length);
        for (std::uint64_t base = prefix_around(start, length).base; base <= pool->last();) {
            const Prefix candidate{static_cast<Ipv4>(base), length};
            auto hit = std::find_if(occupied.begin(), occupied.end(),
                                    [&](const Prefix& other) { return other.overlaps(candidate); });
            if (hit == occupied.end()) return candidate;
            // Over the whole of what is in the way, however large it is.
            base = std::max(base + step, (std::uint64_t{hit->last()} + step) / step * step);
        }
    }
    return fail(Code::exhausted, "all predefined address pools have been fully subnetted");
}

}  // namespace gantry::network
