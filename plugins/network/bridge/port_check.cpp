#include "plugins/network/bridge/port_check.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace gantry::bridge {

Error port_taken(const PublishedPort& port) {
    return fail(Code::conflict, "Bind for " + port.host_address + ":" + std::to_string(port.host_port) +
                                    " failed: port is already allocated");
}

Result<void> check_port_free(const PublishedPort& port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port.host_port);
    if (::inet_pton(AF_INET, port.host_address.c_str(), &address.sin_addr) != 1)
        return fail(Code::invalid, "host address \"" + port.host_address + "\" is not an IPv4 address");
    const int type = port.protocol == "udp" ? SOCK_DGRAM : SOCK_STREAM;
    const int protocol = port.protocol == "sctp" ? IPPROTO_SCTP : 0;
    UniqueFd probe(::socket(AF_INET, type | SOCK_CLOEXEC, protocol));
    if (!probe) {
        // Where the host has no SCTP, none of its programs can hold the port.
        if (port.protocol == "sctp" && (errno == EPROTONOSUPPORT || errno == ESOCKTNOSUPPORT)) return {};
        return fail_errno("probe port " + std::to_string(port.host_port));
    }
    const int on = 1;
    // Ended connections of the port do not count; a listener still does.
    if (type == SOCK_STREAM) ::setsockopt(probe.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (::bind(probe.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
        if (errno == EADDRINUSE) return port_taken(port);
        return fail_errno("bind for " + port.host_address + ":" + std::to_string(port.host_port));
    }
    return {};
}

}  // namespace gantry::bridge
