// A container's stdio over a hijacked connection: terminal, pipes, signals, until its end.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include <gantry/result.hpp>

#include "core/cli/client.hpp"

namespace gantry::cli {

// Takes a multiplexed stream (8 bytes of head: stream, 0, 0, 0, length big-endian) apart.
class Demultiplexer {
public:
    using Write = std::function<Result<void>(int fd, std::string_view data)>;
    explicit Demultiplexer(Write write) : write_(std::move(write)) {}
    // GANTRY_CORRUPT: not such a stream. Stream 3 is an error of the daemon's.
    Result<void> push(std::string_view data);

private:
    Write write_;
    std::string head_;
    unsigned stream_ = 0;
    std::uint32_t left_ = 0;
    std::string message_;
};

// Writes whole to standard output or error; a closed pipe is GANTRY_CANCELLED.
Result<void> write_out(int fd, std::string_view data);

struct StreamWish {
    bool tty = false;            // raw stream, terminal size is passed on
    bool input = false;          // standard input is sent
    bool proxy_signals = false;  // signals go to the container
    std::string detach_keys;
    std::string resize_target;    // "/containers/ID/resize"; "" : no resizing
    std::string kill_target;      // "/containers/ID/kill"
    Connection* stdio = nullptr;  // upgraded; null: only the end is awaited
    Connection* end = nullptr;    // `wait`, head may be outstanding; null: the end of stdio is the end
};

enum class StreamEnd { finished = 1, detached, connection_lost };

// Signals that are handled here from now on (blocked, read by run_stream()). Call before the container starts, so that
// none is lost; `proxy`: all that Docker passes on, otherwise SIGWINCH only.
class SignalCatcher {
public:
    SignalCatcher() = default;
    ~SignalCatcher();
    SignalCatcher(const SignalCatcher&) = delete;
    SignalCatcher& operator=(const SignalCatcher&) = delete;
    Result<void> start(bool proxy);
    int fd() const { return fd_.get(); }
    // The next signal's number, 0 when there is none.
    int next();

private:
    UniqueFd fd_;
};

// Runs until both the stdio stream and `end` are through (or the user detaches).
Result<StreamEnd> run_stream(Client& client, const StreamWish& wish, SignalCatcher& signals);

// Copies a long answer to standard output and error: raw or multiplexed as its Content-Type says.
Result<void> copy_logs(Connection& answer);

// "TERM" for 15; "" for what is not passed on.
std::string signal_name(int number);

}  // namespace gantry::cli
