// Unix-domain sockets between our own processes: SOCK_SEQPACKET, one JSON document a message, descriptors beside it
// by SCM_RIGHTS (unix(7)).
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include <gantry/json.hpp>
#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

namespace gantry {

inline constexpr std::size_t max_message_bytes = 192u << 10;
inline constexpr std::size_t max_message_fds = 64;

struct Message {
    Json body;
    std::vector<UniqueFd> fds;
};

// Listens at `path` (SOCK_SEQPACKET or SOCK_STREAM), replacing a stale socket there; the file has `mode` from the
// moment it exists. 107 bytes of path at most, longer: GANTRY_INVALID.
Result<UniqueFd> listen_unix(const std::string& path, int type, mode_t mode = 0600, int backlog = 128);
Result<UniqueFd> connect_unix(const std::string& path, int type);
Result<UniqueFd> accept_unix(int listener);
// One message; fds are borrowed. Larger than max_message_bytes: GANTRY_INVALID, nothing sent.
Result<void> send_message(int socket, const Json& body, const std::vector<int>& fds = {});
// Waits for one message, `timeout_ms` at most (-1: for ever; then GANTRY_DEADLINE). The peer has closed:
// GANTRY_NOT_FOUND. Not JSON: GANTRY_CORRUPT.
Result<Message> receive_message(int socket, int timeout_ms = -1);
// The uid of the process at the other end (SO_PEERCRED).
Result<unsigned> peer_uid(int socket);

}  // namespace gantry
