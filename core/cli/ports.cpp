#include "core/cli/ports.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <tuple>

#include "core/base/text.hpp"
#include "core/cli/json_access.hpp"

namespace gantry::cli {
namespace {

struct Range {
    int first = 0, last = 0;
    int size() const { return last - first; }
};

std::optional<int> port_number(std::string_view text) {
    if (text.empty() || text.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
    auto number = parse_int(text);
    if (!number || *number < 0 || *number > 65535) return std::nullopt;
    return static_cast<int>(*number);
}

std::optional<Range> port_range(std::string_view text) {
    std::size_t dash = text.find('-');
    auto first = port_number(text.substr(0, dash));
    auto last = dash == std::string_view::npos ? first : port_number(text.substr(dash + 1));
    if (!first || !last || *last < *first) return std::nullopt;
    return Range{*first, *last};
}

bool is_address(const std::string& text) {
    in6_addr space{};
    return ::inet_pton(AF_INET, text.c_str(), &space) == 1 || ::inet_pton(AF_INET6, text.c_str(), &space) == 1;
}

Result<std::string> protocol_of(std::string_view& specification) {
    std::size_t slash = specification.rfind('/');
    if (slash == std::string_view::npos) return std::string("tcp");
    std::string protocol = to_lower(specification.substr(slash + 1));
    if (protocol != "tcp" && protocol != "udp" && protocol != "sctp")
        return fail(Code::invalid, "invalid proto: " + protocol);
    specification = specification.substr(0, slash);
    return protocol;
}

std::string group_text(const std::string& address, const std::string& type, std::int64_t first, std::int64_t last) {
    std::string group = std::to_string(first);
    if (last != first) group += "-" + std::to_string(last);
    if (!address.empty()) group = join_host_port(address, group) + "->" + group;
    return group + "/" + type;
}

}  // namespace

std::string join_host_port(const std::string& address, const std::string& port) {
    return address.find(':') == std::string::npos ? address + ":" + port : "[" + address + "]:" + port;
}

Result<std::vector<PortMapping>> parse_publish(std::string_view specification) {
    std::string_view rest = specification;
    GANTRY_TRY(std::string protocol, protocol_of(rest));
    std::string address, host;
    std::size_t colon = rest.rfind(':');
    std::string container(colon == std::string_view::npos ? rest : rest.substr(colon + 1));
    bool host_given = colon != std::string_view::npos;
    if (host_given) {
        rest = rest.substr(0, colon);
        // [::1]:8080:80, ::1 without brackets is not told apart from ports by Docker either.
        colon = rest.rfind(':');
        if (rest.ends_with("]")) colon = std::string_view::npos;
        if (colon != std::string_view::npos) {
            address = rest.substr(0, colon);
            host = rest.substr(colon + 1);
        } else if (rest.ends_with("]")) {
            address = rest;
        } else {
            host = rest;
        }
    }
    if (container.empty()) return fail(Code::invalid, "no port specified: " + std::string(specification) + "<empty>");
    if (address.starts_with("[") && address.ends_with("]")) address = address.substr(1, address.size() - 2);
    if (!address.empty() && !is_address(address)) return fail(Code::invalid, "invalid IP address: " + address);
    auto inside = port_range(container);
    if (!inside || inside->first == 0) return fail(Code::invalid, "invalid containerPort: " + container);
    std::optional<Range> outside;
    if (!host.empty()) {
        outside = port_range(host);
        if (!outside) return fail(Code::invalid, "invalid hostPort: " + host);
        if (outside->size() != inside->size() && inside->size() != 0)
            return fail(Code::invalid,
                        "invalid ranges specified for container and host Ports: " + container + " and " + host);
    }
    std::vector<PortMapping> mappings;
    for (int i = 0; i <= inside->size(); ++i) {
        PortMapping mapping;
        mapping.container = std::to_string(inside->first + i) + "/" + protocol;
        mapping.host_address = address;
        if (outside) {
            mapping.host_port = std::to_string(outside->first + i);
            // One container port and a range of host ports: the daemon picks one of the range.
            if (inside->size() == 0 && outside->size() > 0) mapping.host_port += "-" + std::to_string(outside->last);
        }
        mappings.push_back(std::move(mapping));
    }
    return mappings;
}

Result<std::vector<std::string>> parse_expose(std::string_view specification) {
    std::string_view rest = specification;
    if (rest.find(':') != std::string_view::npos)
        return fail(Code::invalid, "invalid port format for --expose: " + std::string(specification));
    GANTRY_TRY(std::string protocol, protocol_of(rest));
    auto range = port_range(rest);
    if (!range || range->first == 0)
        return fail(Code::invalid,
                    "invalid range format for --expose: " + std::string(specification) + ", error: invalid port");
    std::vector<std::string> ports;
    for (int port = range->first; port <= range->last; ++port) ports.push_back(std::to_string(port) + "/" + protocol);
    return ports;
}

std::string show_ports(const Json& ports) {
    struct Entry {
        std::int64_t inside, outside;
        std::string address, type;
    };
    struct Group {
        std::string address, type;
        std::int64_t first, last;
    };
    std::vector<Entry> entries;
    if (ports.is_array())
        for (const Json& port : ports)
            entries.push_back({number_at(port, "PrivatePort"), number_at(port, "PublicPort"), text_at(port, "IP"),
                               text_at(port, "Type")});
    std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
        return std::tie(a.inside, a.address, a.outside, a.type) < std::tie(b.inside, b.address, b.outside, b.type);
    });
    std::vector<Group> groups;
    std::vector<std::string> shown, mapped;
    for (const Entry& entry : entries) {
        if (!entry.address.empty() && entry.outside != entry.inside) {
            mapped.push_back(join_host_port(entry.address, std::to_string(entry.outside)) + "->" +
                             std::to_string(entry.inside) + "/" + entry.type);
            continue;
        }
        auto group = std::find_if(groups.begin(), groups.end(),
                                  [&](const Group& g) { return g.address == entry.address && g.type == entry.type; });
        if (group == groups.end()) {
            groups.push_back({entry.address, entry.type, entry.inside, entry.inside});
        } else if (entry.inside == group->last + 1) {
            group->last = entry.inside;
        } else {
            shown.push_back(group_text(group->address, group->type, group->first, group->last));
            group->first = group->last = entry.inside;
        }
    }
    for (const Group& group : groups) shown.push_back(group_text(group.address, group.type, group.first, group.last));
    shown.insert(shown.end(), mapped.begin(), mapped.end());
    return join(shown, ", ");
}

}  // namespace gantry::cli
