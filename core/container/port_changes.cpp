#include "core/container/port_changes.hpp"

#include <algorithm>
#include <map>

#include "core/base/text.hpp"
#include "core/container/network_wishes.hpp"
#include "core/container/port_spec.hpp"
#include "core/network/ports.hpp"

namespace gantry::container {
namespace {

using network::Port;

constexpr std::size_t most_named = 5;  // ports in an error

// One published port of the configuration, and what it has become in a running container.
struct Published {
    Port wish;
    std::vector<Port> bound;
    bool removed = false;
};
using ByPort = std::map<std::string, std::vector<Published>>;  // "80/tcp"

std::string key_of(const Port& port) { return std::to_string(port.container_port) + "/" + port.protocol; }

// As -p takes it: "127.0.0.1:8080:80/tcp", "80/tcp".
std::string show(const Port& port) {
    std::string host = port.host_port == 0 ? "" : std::to_string(port.host_port);
    if (!port.host_address.empty())
        host = (port.host_address.find(':') == std::string::npos ? port.host_address : "[" + port.host_address + "]") +
               ":" + host;
    return host.empty() ? key_of(port) : host + ":" + key_of(port);
}

// The bindings of a map as PortBindings is one; a port without any stands for itself.
Result<std::vector<Port>> read_ports(const Json& bindings) {
    GANTRY_CHECK(check_ports({{"ExposedPorts", Json::object()}}, {{"PortBindings", bindings}}));
    std::vector<Port> ports;
    for (const auto& [text, list] : bindings.items()) {
        GANTRY_TRY(const PortSpec inside, parse_port(text));
        if (list.is_null() || list.empty()) ports.push_back({inside.protocol, inside.port, "", 0});
        for (const Json& binding : list) {
            const auto number = parse_int(binding.value("HostPort", "")).value_or(0);
            GANTRY_TRY(Port port, network::checked_port({inside.protocol, inside.port, binding.value("HostIp", ""),
                                                         static_cast<std::uint16_t>(number)}));
            ports.push_back(std::move(port));
        }
    }
    return ports;
}

// Bound ports find the wish that they come from: those with a number first, for the others take what is left.
void assign(std::vector<Published>& list, std::vector<Port> bound) {
    const auto take = [&](Published& one, bool any_number) {
        std::uint16_t number = any_number ? 0 : one.wish.host_port;
        for (auto port = bound.begin(); port != bound.end();) {
            const bool fits = (number == 0 || port->host_port == number || !port->of_host()) &&
                              (one.wish.host_address.empty() || one.wish.host_address == port->host_address);
            if (!fits) {
                ++port;
                continue;
            }
            if (port->of_host()) number = port->host_port;  // the same for both families
            one.bound.push_back(*port);
            port = bound.erase(port);
        }
    };
    for (Published& one : list)
        if (one.wish.host_port != 0) take(one, false);
    for (Published& one : list)
        if (one.wish.host_port == 0) take(one, true);
}

Result<ByPort> published_now(const Container& c, const std::vector<Port>& bound) {
    ByPort ports;
    GANTRY_TRY(const NetworkWishes wishes, network_wishes(c));
    for (const Port& wish : wishes.ports) {
        GANTRY_TRY(Port port, network::checked_port(wish));
        ports[key_of(port)].push_back({std::move(port), {}});
    }
    std::map<std::string, std::vector<Port>> bound_by_port;
    for (const Port& port : bound) bound_by_port[key_of(port)].push_back(port);
    for (auto& [key, list] : ports) assign(list, bound_by_port[key]);
    return ports;
}

bool is_named(const Published& one, const Port& named) {
    const auto fits = [&](std::uint16_t number) { return named.host_port == 0 || number == named.host_port; };
    if (!named.host_address.empty() && named.host_address != one.wish.host_address) return false;
    return fits(one.wish.host_port) ||
           std::any_of(one.bound.begin(), one.bound.end(), [&](const Port& port) { return fits(port.host_port); });
}

Error not_published(const Container& c, const ByPort& ports, const Port& named) {
    std::vector<std::string> there;
    const auto note = [&](const std::vector<Published>& list) {
        for (const Published& one : list)
            if (there.size() <= most_named) there.push_back("\"" + show(one.wish) + "\"");
    };
    // Those of the same port of the container are what was perhaps meant.
    if (auto same = ports.find(key_of(named)); same != ports.end()) note(same->second);
    if (there.empty())
        for (const auto& [key, list] : ports) note(list);
    if (there.size() > most_named) there.back() = "more";
    return fail(Code::not_found, "container \"" + c.name + "\" does not publish \"" + show(named) + "\"" +
                                     (there.empty() ? ", nor any other port" : ", but " + join(there, ", ")));
}

Result<void> remove_ports(const Container& c, ByPort& ports, const Json& remove) {
    GANTRY_TRY(const std::vector<Port> named, read_ports(remove));
    for (const Port& one : named) {
        bool found = false;
        if (auto list = ports.find(key_of(one)); list != ports.end())
            for (Published& there : list->second)
                if (is_named(there, one)) found = there.removed = true;
        if (!found) return not_published(c, ports, one);
    }
    return {};
}

// Whether two wishes ask for the same port of the host. One without an address asks for it on every address.
bool meet(const Port& a, const Port& b) {
    return a.host_address.empty() || b.host_address.empty() || network::PortTable::overlap(a, b);
}

Result<void> add_ports(ByPort& ports, std::vector<Port>& added, const Json& add) {
    GANTRY_TRY(const std::vector<Port> wishes, read_ports(add));
    std::map<std::pair<std::string, std::uint16_t>, std::vector<Port>> taken;  // by protocol and port of the host
    for (const auto& [key, list] : ports)
        for (const Published& one : list)
            if (!one.removed && one.wish.host_port != 0)
                taken[{one.wish.protocol, one.wish.host_port}].push_back(one.wish);
    for (const Port& wish : wishes) {
        if (wish.host_port != 0) {
            auto& same_number = taken[{wish.protocol, wish.host_port}];
            if (std::any_of(same_number.begin(), same_number.end(), [&](const Port& one) { return meet(one, wish); })) {
                Port shown = wish;
                if (shown.host_address.empty()) shown.host_address = "0.0.0.0";
                return network::PortTable::taken(shown);
            }
            same_number.push_back(wish);
        }
        ports[key_of(wish)].push_back({wish, {}});
        added.push_back(wish);
    }
    return {};
}

}  // namespace

Result<PortChanges> change_ports(const Container& c, const std::vector<Port>& bound, const Json& add,
                                 const Json& remove) {
    GANTRY_TRY(ByPort ports, published_now(c, bound));
    PortChanges changes{Json::object(), {}, {}};
    GANTRY_CHECK(remove_ports(c, ports, remove));
    GANTRY_CHECK(add_ports(ports, changes.added, add));
    for (const auto& [key, list] : ports)
        for (const Published& one : list) {
            if (one.removed) {
                // One without a number is open for all that lead to it, until the last of them goes.
                const bool others =
                    std::any_of(list.begin(), list.end(), [](const Published& o) { return !o.removed; });
                std::copy_if(one.bound.begin(), one.bound.end(), std::back_inserter(changes.removed),
                             [&](const Port& port) { return port.of_host() || !others; });
                continue;
            }
            changes.bindings[key].push_back(
                {{"HostIp", one.wish.host_address},
                 {"HostPort", one.wish.host_port == 0 ? "" : std::to_string(one.wish.host_port)}});
        }
    return changes;
}

}  // namespace gantry::container
