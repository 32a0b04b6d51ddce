#include "core/network/host_networks.hpp"

#include <ifaddrs.h>
#include <netinet/in.h>

#include <bit>
#include <cstdio>
#include <memory>

#include "core/base/files.hpp"
#include "core/base/text.hpp"

namespace gantry::network {
namespace {

constexpr std::size_t most_routes_bytes = 64u << 20;

struct Routes4 {
    static constexpr int family = AF_INET;
    static constexpr const char* table = "/proc/thread-self/net/route";
    // Interface, then destination and mask in network order, both as hexadecimal numbers.
    static std::optional<std::pair<Prefix, std::string>> read(const std::string& line) {
        char name[32];
        unsigned destination = 0, mask = 0;
        if (std::sscanf(line.c_str(), "%31s %x %*x %*x %*d %*d %*d %x", name, &destination, &mask) != 3 || mask == 0)
            return std::nullopt;
        return std::pair(prefix_around(ntohl(destination), std::popcount(mask)), std::string(name));
    }
    static std::optional<Prefix> read(const sockaddr* address, const sockaddr* mask) {
        const auto of = [](const sockaddr* a) { return reinterpret_cast<const sockaddr_in*>(a)->sin_addr.s_addr; };
        return prefix_around(ntohl(of(address)), std::popcount(of(mask)));
    }
};

struct Routes6 {
    static constexpr int family = AF_INET6;
    static constexpr const char* table = "/proc/thread-self/net/ipv6_route";
    // Destination and its length in hexadecimal digits; the interface is the last of ten words.
    static std::optional<std::pair<Prefix6, std::string>> read(const std::string& line) {
        char digits[33], name[32];
        unsigned length = 0;
        if (std::sscanf(line.c_str(), "%32s %x %*s %*s %*s %*s %*s %*s %*s %31s", digits, &length, name) != 3)
            return std::nullopt;
        Ipv6 destination = 0;
        for (const char* digit = digits; *digit; ++digit)
            destination = destination << 4 | static_cast<unsigned>(*digit <= '9' ? *digit - '0' : *digit - 'a' + 10);
        // Every interface has routes for link-local and multicast addresses: no network is there.
        const auto high = static_cast<unsigned>(destination >> 112);
        if (length == 0 || length > 128 || (high & 0xffc0u) == 0xfe80u || high >= 0xff00u) return std::nullopt;
        return std::pair(Prefix6::around(destination, static_cast<int>(length)), std::string(name));
    }
    static std::optional<Prefix6> read(const sockaddr* address, const sockaddr* mask) {
        const auto number = [](const sockaddr* a) {
            Ipv6 all = 0;
            for (const unsigned char byte : reinterpret_cast<const sockaddr_in6*>(a)->sin6_addr.s6_addr)
                all = all << 8 | byte;
            return all;
        };
        const Ipv6 own = number(address), bits = number(mask);
        if ((static_cast<unsigned>(own >> 112) & 0xffc0u) == 0xfe80u) return std::nullopt;
        return Prefix6::around(own, std::popcount(static_cast<std::uint64_t>(bits >> 64)) +
                                        std::popcount(static_cast<std::uint64_t>(bits)));
    }
};

template <typename Address, typename Routes>
Result<std::vector<PrefixOf<Address>>> networks_of(std::string_view except) {
    std::vector<PrefixOf<Address>> found;
    // thread-self: routes of the calling thread's namespace, whatever the process as a whole has. A kernel without the
    // family has no table.
    auto table = read_file(Routes::table, most_routes_bytes);
    if (!table && table.error().code != Code::not_found) return std::move(table).error();
    if (table)
        for (std::string_view line : split(*table, '\n'))
            if (auto route = Routes::read(std::string(line)); route && route->second != except)
                found.push_back(route->first);
    ifaddrs* list = nullptr;
    if (::getifaddrs(&list) != 0) return fail_errno("list the host's addresses");
    std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> owner(list, ::freeifaddrs);
    for (ifaddrs* item = list; item; item = item->ifa_next) {
        if (!item->ifa_addr || item->ifa_addr->sa_family != Routes::family || !item->ifa_netmask ||
            item->ifa_name == except)
            continue;
        if (auto prefix = Routes::read(item->ifa_addr, item->ifa_netmask)) found.push_back(*prefix);
    }
    return found;
}

}  // namespace

template <>
Result<std::vector<Prefix>> host_networks<Ipv4>(std::string_view except) {
    return networks_of<Ipv4, Routes4>(except);
}

template <>
Result<std::vector<Prefix6>> host_networks<Ipv6>(std::string_view except) {
    return networks_of<Ipv6, Routes6>(except);
}

}  // namespace gantry::network
