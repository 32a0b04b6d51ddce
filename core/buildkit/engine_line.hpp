// The socket between gantry-buildkit and the engine that started it: connections of clients come in over it, each with what its
// request said, and sockets for build sessions go out. One JSON document a message, a descriptor beside it (base/unix_socket.hpp).
//
//   engine: {"type":"grpc"|"session", "number":N, "id":.., "key":..} with the connection; answered by {"type":"taken","number":N},
//           or {"type":"refused","number":N,"message":..}
//   helper: {"type":"build"} with a socket, on which the engine speaks core/build/PROTOCOL.md
//           {"type":"usage", "ids":[..], "types":[..]} with a socket, on which the engine answers with what the build cache holds, a
//           list as in GET /system/df, and closes it
//           {"type":"prune", the same, "all":bool, "keep_ns":N, "keep_bytes":N}: it answers with what it has deleted of that list.
//           What cannot be is answered by {"message":..}
//
// The end of the socket is the end of both sides' use of it: the helper ends when the engine has gone, and the engine starts
// another when the helper has ended without taking a connection.
#pragma once
#include <mutex>

#include "core/base/unix_socket.hpp"

namespace gantry::buildkit {

class EngineLine {
public:
    explicit EngineLine(UniqueFd socket) : socket_(std::move(socket)) {}
    // As receive_message(). One thread.
    Result<Message> receive(int timeout_ms) { return receive_message(socket_.get(), timeout_ms); }
    // Any thread.
    Result<void> send(const Json& message, const std::vector<int>& fds = {}) {
        std::lock_guard lock(sending_);
        return send_message(socket_.get(), message, fds);
    }
    // A socket on whose other end the engine begins a build session.
    Result<UniqueFd> open_build();
    // A question about the cache, and the list that answers it.
    Result<Json> ask(const Json& question);

private:
    Result<UniqueFd> open(const Json& message);
    UniqueFd socket_;
    std::mutex sending_;
};

}  // namespace gantry::buildkit
