#include "core/container/port_spec.hpp"

#include <arpa/inet.h>

#include "core/base/text.hpp"

namespace gantry::container {

Result<PortSpec> parse_port(const std::string& text) {
    std::size_t slash = text.find('/');
    auto number = parse_int(std::string_view(text).substr(0, slash));
    std::string protocol = slash == std::string::npos ? "tcp" : to_lower(text.substr(slash + 1));
    if (!number || *number < 1 || *number > 65535)
        return fail(Code::invalid, "invalid port specification: \"" + text + "\"");
    if (protocol != "tcp" && protocol != "udp" && protocol != "sctp")
        return fail(Code::invalid, "invalid port specification: \"" + text + "\": invalid proto: " + protocol);
    return PortSpec{static_cast<std::uint16_t>(*number), protocol};
}

Result<void> check_ports(const Json& config, const Json& host_config) {
    for (const auto& [text, unused] : config["ExposedPorts"].items()) {
        // An image may expose a range: each of its ports.
        std::size_t slash = text.find('/'), dash = text.substr(0, slash).find('-');
        std::string suffix = slash == std::string::npos ? "" : text.substr(slash);
        if (dash == std::string::npos) {
            auto port = parse_port(text);
            if (!port) return std::move(port).error();
            continue;
        }
        auto low = parse_port(text.substr(0, dash) + suffix),
             high = parse_port(text.substr(dash + 1, slash == std::string::npos ? slash : slash - dash - 1) + suffix);
        if (!low || !high || high->port < low->port)
            return fail(Code::invalid, "invalid range format for --expose: " + text);
    }
    for (const auto& [text, bindings] : host_config["PortBindings"].items()) {
        auto port = parse_port(text);
        if (!port) return std::move(port).error();
        if (bindings.is_null()) continue;
        for (const Json& binding : bindings) {
            std::string host = binding.value("HostPort", ""), address = binding.value("HostIp", "");
            auto number = host.empty() ? std::optional<std::int64_t>(0) : parse_int(host);
            if (!number || *number < 0 || *number > 65535)
                return fail(Code::invalid, "invalid port specification: \"" + host + "\"");
            char bytes[16];
            if (!address.empty() && ::inet_pton(AF_INET, address.c_str(), bytes) != 1 &&
                ::inet_pton(AF_INET6, address.c_str(), bytes) != 1)
                return fail(Code::invalid, "invalid IP address: " + address);
        }
    }
    return {};
}

}  // namespace gantry::container
