#include "plugins/network/bridge/uplink.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <optional>
#include <string>

#include "plugins/network/common/netlink.hpp"

namespace gantry::bridge {
namespace {

constexpr int usual_mtu = 1500, least_mtu = 1280, largest_mtu = 65535;

struct Route {
    char interface[32] = {};
    unsigned metric = 0;
};

// A line of /proc/net/route that is a default route: interface, destination, gateway, flags, .., metric, mask.
std::optional<Route> read_route(const std::string& line) {
    Route route;
    unsigned destination = 0, mask = 0;
    if (std::sscanf(line.c_str(), "%31s %x %*x %*x %*d %*d %u %x", route.interface, &destination, &route.metric,
                    &mask) != 4)
        return std::nullopt;
    return destination == 0 && mask == 0 ? std::optional(route) : std::nullopt;
}

// The same of /proc/net/ipv6_route: destination and its length, source and its, next hop, metric, .., interface.
std::optional<Route> read_route6(const std::string& line) {
    Route route;
    unsigned length = 1;
    char destination[33] = {};
    if (std::sscanf(line.c_str(), "%32s %x %*s %*s %*s %x %*s %*s %*s %31s", destination, &length, &route.metric,
                    route.interface) != 4)
        return std::nullopt;
    return length == 0 ? std::optional(route) : std::nullopt;
}

// The interface of the default route with the least metric; "" for none.
std::string default_interface(const char* table, std::optional<Route> (*read)(const std::string& line)) {
    std::ifstream lines(table);
    std::optional<Route> best;
    for (std::string line; std::getline(lines, line);) {
        auto route = read(line);
        // A host without a way out has a default route of IPv6 that leads nowhere, by "lo".
        if (!route || std::strcmp(route->interface, "lo") == 0) continue;
        if (!best || route->metric < best->metric) best = route;
    }
    return best ? best->interface : "";
}

}  // namespace

Result<int> uplink_mtu() {
    std::string interface = default_interface("/proc/thread-self/net/route", read_route);
    if (interface.empty()) interface = default_interface("/proc/thread-self/net/ipv6_route", read_route6);
    if (interface.empty()) return usual_mtu;
    GANTRY_TRY(auto kernel, netlink::Socket::open());
    GANTRY_TRY(auto link, kernel.find(interface));
    return link ? std::clamp(link->mtu, least_mtu, largest_mtu) : usual_mtu;
}

}  // namespace gantry::bridge
