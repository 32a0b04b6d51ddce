// What gantry-launcher, the monitors and the engine's client for them have in common on the wire (PROTOCOL.md).
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/unix_socket.hpp"

namespace gantry::monitor {

// Raised when a message changes its meaning. Monitors of an older engine stay manageable within one number.
inline constexpr int protocol_version = 1;

// {"code", "message", "errno"}, and back. Anything else than that gives Code::internal.
Json error_to_json(const Error& error);
Error error_from_json(const Json& json);

// A borrowed descriptor and its name in body["fds"].
using FdToSend = std::pair<std::string, int>;

// send_message with the names put into body["fds"].
Result<void> send_with_fds(int socket, Json body, const std::vector<FdToSend>& fds);
// The descriptor that body["fds"] names so, taken out of the message; or none.
UniqueFd take_fd(Message& message, std::string_view name);
// As many names as descriptors, every name once and at most 64 bytes long.
Result<void> check_fd_names(const Message& message);

// "/proc/self/fd/N/monitor.sock" of an open directory: no run directory is too long for a socket's address.
std::string monitor_socket_at(int directory);

}  // namespace gantry::monitor
