// Published and exposed ports as the API writes them: "80/tcp" -> [{"HostIp", "HostPort"}].
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include <gantry/json.hpp>
#include <gantry/result.hpp>

namespace gantry::container {

struct PortSpec {
    std::uint16_t port = 0;
    std::string protocol;  // "tcp", "udp", "sctp"
};
// "80", "80/udp". GANTRY_INVALID: "invalid port specification: "x"".
Result<PortSpec> parse_port(const std::string& text);
// ExposedPorts and PortBindings are well-formed.
Result<void> check_ports(const Json& config, const Json& host_config);

}  // namespace gantry::container
