#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <climits>

#include "core/cli/handlers.hpp"

namespace gantry::cli {
namespace {

// One direction: what was read and is not written yet. Neither direction waits for the other.
class DialFlow {
public:
    DialFlow(int from, int to) : from_(from), to_(to) {}

    bool open() const { return reading_ || !waiting_.empty(); }
    bool reading() const { return reading_; }
    int from() const { return reading_ && waiting_.empty() ? from_ : -1; }
    int to() const { return waiting_.empty() ? -1 : to_; }

    Result<void> read_some() {
        waiting_.resize(65536);
        const ssize_t n = ::read(from_, waiting_.data(), waiting_.size());
        const int error = errno;
        waiting_.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
        if (n < 0 && error != EINTR && error != EAGAIN) {
            reading_ = false;
            if (error != ECONNRESET) return fail_errno("read", error);
        }
        if (n == 0) reading_ = false;
        return {};
    }

    // A socket says by itself how much it takes; a pipe that polls as writable takes PIPE_BUF bytes at least.
    Result<void> write_some() {
        ssize_t n = ::send(to_, waiting_.data(), waiting_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == ENOTSOCK)
            n = ::write(to_, waiting_.data(), std::min<std::size_t>(waiting_.size(), PIPE_BUF));
        if (n < 0 && (errno == EINTR || errno == EAGAIN)) return {};
        if (n < 0) return fail_errno("write");
        waiting_.erase(0, static_cast<std::size_t>(n));
        return {};
    }

    void stop() {
        reading_ = false;
        waiting_.clear();
    }

private:
    int from_, to_;
    bool reading_ = true;
    std::string waiting_;
};

Result<void> carry_both_ways(int socket) {
    DialFlow in(0, socket), out(socket, 1);
    bool told = false;
    while (out.open()) {
        if (!in.open() && !told) {
            ::shutdown(socket, SHUT_WR);
            told = true;
        }
        // Standard output is watched for its reader's end at all times: ssh may be long gone.
        pollfd ready[4] = {{in.from(), POLLIN, 0},
                           {in.to(), POLLOUT, 0},
                           {out.from(), POLLIN, 0},
                           {1, static_cast<short>(out.to() >= 0 ? POLLOUT : 0), 0}};
        if (::poll(ready, 4, -1) < 0) {
            if (errno == EINTR) continue;
            return fail_errno("poll");
        }
        if (ready[0].revents) GANTRY_CHECK(in.read_some().context("standard input"));
        // It has said its last word to us: that is still to be read.
        if (ready[1].revents && !in.write_some()) in.stop();
        if (ready[2].revents) GANTRY_CHECK(out.read_some().context("the daemon's answer"));
        if (ready[3].revents & POLLOUT) {
            GANTRY_CHECK(out.write_some().context("standard output"));
        } else if (ready[3].revents) {
            return {};
        }
    }
    return {};
}

}  // namespace

Result<int> dial_stdio(Call& call) {
    Flags flags;
    auto args = call.parse(flags, exactly(0));
    if (!args) return call.exit_code();
    GANTRY_TRY(Connection connection, call.client().connect());
    GANTRY_CHECK(carry_both_ways(connection.fd()));
    return 0;
}

}  // namespace gantry::cli
