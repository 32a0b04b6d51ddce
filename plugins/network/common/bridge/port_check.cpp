#include "plugins/network/common/bridge/port_check.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace gantry::bridge {

Error port_taken(const PublishedPort& port) {
    return fail(Code::conflict, "Bind for " + port.host_address + ":" + std::to_string(port.host_port) +
                                    " failed: port is already allocated");
}

Result<void> check_port_free(const PublishedPort& port) {
    const bool six = port.host_address.find(':') != std::string::npos;
    union {
        sockaddr any;
        sockaddr_in four;
        sockaddr_in6 six;
    } address{};
    address.six = {};
    address.any.sa_family = six ? AF_INET6 : AF_INET;
    (six ? address.six.sin6_port : address.four.sin_port) = htons(port.host_port);
    void* bytes = &address.four.sin_addr;
    if (six) bytes = &address.six.sin6_addr;
    if (::inet_pton(address.any.sa_family, port.host_address.c_str(), bytes) != 1)
        return fail(Code::invalid, "host address \"" + port.host_address + "\" is not an address");
    const int type = port.protocol == "udp" ? SOCK_DGRAM : SOCK_STREAM;
    const int protocol = port.protocol == "sctp" ? IPPROTO_SCTP : 0;
    UniqueFd probe(::socket(address.any.sa_family, type | SOCK_CLOEXEC, protocol));
    if (!probe) {
        // Where the host has no SCTP, none of its programs can hold the port.
        if (port.protocol == "sctp" && (errno == EPROTONOSUPPORT || errno == ESOCKTNOSUPPORT)) return {};
        return fail_errno("probe port " + std::to_string(port.host_port));
    }
    const int on = 1;
    // Ended connections of the port do not count; a listener still does.
    if (type == SOCK_STREAM) ::setsockopt(probe.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    // The IPv4 side of the number is looked at on its own.
    if (six) ::setsockopt(probe.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (::bind(probe.get(), &address.any, six ? sizeof address.six : sizeof address.four) != 0) {
        if (errno == EADDRINUSE) return port_taken(port);
        return fail_errno("bind for " + port.host_address + ":" + std::to_string(port.host_port));
    }
    return {};
}

}  // namespace gantry::bridge
