// The frames of a build session (PROTOCOL.md) over a stream socket, the engine's end.
#pragma once
#include <mutex>
#include <string>
#include <string_view>

#include <gantry/json.hpp>
#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

namespace gantry::build {

inline constexpr std::size_t most_header = 1u << 20, most_body = 1u << 20;

struct Frame {
    Json header;  // an object with a "type" that is text
    std::string body;
    std::string type() const { return header["type"].get<std::string>(); }
};

class FrameSocket {
public:
    // `early`: bytes that came before the socket was handed over.
    FrameSocket(UniqueFd socket, std::string early) : socket_(std::move(socket)), early_(std::move(early)) {}
    // One thread. GANTRY_CANCELLED: the other side has gone. GANTRY_INVALID: not a frame.
    Result<Frame> receive();
    // Any thread; blocks while the other side is slow, and fails with GANTRY_CANCELLED once it has gone.
    Result<void> send(const Json& header, std::string_view body = {});
    // Ends both directions: receive() and send() return.
    void shut_down();

private:
    Result<void> read(char* to, std::size_t size);
    UniqueFd socket_;
    std::string early_;
    std::mutex sending_;
};

}  // namespace gantry::build
