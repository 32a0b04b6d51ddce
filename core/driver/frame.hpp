// Messages between the engine and gantry-driver-host: JSON with descriptors beside it, of any size up to a limit. What
// does not fit into one message of the socket travels in a sealed memfd. The types: core/driverhost/README.md.
#pragma once
#include <vector>

#include "core/base/unix_socket.hpp"

namespace gantry::driver {

inline constexpr std::size_t max_frame_bytes = 16u << 20;

// fds are borrowed.
Result<void> send_frame(int socket, const Json& body, const std::vector<int>& fds = {});
// Waits as receive_message does, and fails as it does.
Result<Message> receive_frame(int socket, int timeout_ms = -1);

}  // namespace gantry::driver
