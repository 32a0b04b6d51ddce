#include "core/network/host_networks.hpp"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>

#include <bit>
#include <cstdio>
#include <memory>

#include "core/base/files.hpp"
#include "core/base/text.hpp"

namespace gantry::network {

Result<std::vector<Prefix>> host_networks(std::string_view except) {
    std::vector<Prefix> found;
    // thread-self: routes of the calling thread's namespace, whatever the process as a whole has.
    GANTRY_TRY(const std::string table, read_file("/proc/thread-self/net/route", 64u << 20));
    for (std::string_view line : split(table, '\n')) {
        char name[32];
        unsigned destination = 0, mask = 0;
        if (std::sscanf(std::string(line).c_str(), "%31s %x %*x %*x %*d %*d %*d %x", name, &destination, &mask) != 3)
            continue;
        if (mask == 0 || name == except) continue;
        found.push_back(prefix_around(ntohl(destination), std::popcount(mask)));
    }
    ifaddrs* list = nullptr;
    if (::getifaddrs(&list) != 0) return fail_errno("list the host's addresses");
    std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> owner(list, ::freeifaddrs);
    for (ifaddrs* item = list; item; item = item->ifa_next) {
        if (!item->ifa_addr || item->ifa_addr->sa_family != AF_INET || !item->ifa_netmask || item->ifa_name == except)
            continue;
        const auto* address = reinterpret_cast<const sockaddr_in*>(item->ifa_addr);
        const auto* mask = reinterpret_cast<const sockaddr_in*>(item->ifa_netmask);
        found.push_back(prefix_around(ntohl(address->sin_addr.s_addr), std::popcount(mask->sin_addr.s_addr)));
    }
    return found;
}

}  // namespace gantry::network
