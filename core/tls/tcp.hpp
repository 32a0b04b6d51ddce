// TCP connections by name.
#pragma once
#include <string>

#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

namespace gantry::tls {

// Connects to the first address of `host` that answers, each within `timeout_ms`. Blocks. GANTRY_NOT_FOUND: no such name;
// otherwise the last address' error.
Result<UniqueFd> connect_tcp(const std::string& host, int port, int timeout_ms);
// Listens at an address (not a name) and port; port 0 takes any. GANTRY_BUSY: taken.
Result<UniqueFd> listen_tcp(const std::string& address, int port);
// Small pieces go out at once, and a peer that has vanished is found out.
void settle_tcp(int socket);

}  // namespace gantry::tls
