// The private talk between the monitor and the process that becomes the container: one SOCK_SEQPACKET pair, one
// datagram a message, close-on-exec, so that a successful execve(2) shows as the end of the stream.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

namespace gantry::native {

class Channel {
public:
    enum class Kind : char {
        mapped = 'U',
        cgroups = 'C',
        ready = 'R',
        go = 'G',
        error = 'E',
        warning = 'W',
        trace = 'T',
        terminal = 'P',
        end = 0
    };
    struct Message {
        Kind kind = Kind::end;
        std::string text;
        std::vector<UniqueFd> fds;
        Error error;  // of Kind::error
    };
    struct Pair;
    static Result<Pair> make();

    Channel() = default;
    explicit Channel(UniqueFd fd) : fd_(std::move(fd)) {}
    int fd() const { return fd_.get(); }
    explicit operator bool() const { return static_cast<bool>(fd_); }
    void close() { fd_.reset(); }

    // Text beyond 32 KiB is cut. The peer being gone is an error.
    Result<void> send(Kind kind, std::string_view text = {}, const std::vector<int>& fds = {}) const;
    void send_error(const Error& error) const;
    // Waits at most `timeout_ms` (-1: for ever). Kind::end: the other side is closed.
    Result<Message> receive(int timeout_ms = -1) const;
    // Waits for a message of this kind; anything else is an error.
    Result<Message> expect(Kind kind) const;

private:
    UniqueFd fd_;
};

struct Channel::Pair {
    Channel monitor, child;
};

}  // namespace gantry::native
