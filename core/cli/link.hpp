// The socket of one connection to an engine, and the program that carries it where the engine is not on this host.
#pragma once
#include <sys/types.h>

#include <string>

#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

#include "core/cli/endpoint.hpp"

namespace gantry::cli {

// A stream socket whose two directions end separately. Where a program carries it, closing gives that program a moment to
// pass on what was sent, and ends it.
class Link {
public:
    Link(UniqueFd socket) : socket_(std::move(socket)) {}
    // To an engine that is not on this host. Returns at once: that nobody is there shows in the first read, and
    // why() tells. GANTRY_NOT_FOUND: a program that is needed is not there.
    static Result<Link> dial(const Endpoint& endpoint);
    ~Link() { close(); }
    Link(Link&& other) noexcept { *this = std::move(other); }
    Link& operator=(Link&& other) noexcept;

    int fd() const { return socket_.get(); }
    bool carried() const { return carrier_ > 0; }
    // After the connection has ended without an answer: what its carrier says about that, as an error with the engine's
    // address; GANTRY_RETRY_LATER. Waits for the carrier's end, a second at most.
    Error why();

private:
    void close();
    // Waits for the carrier's end. False: it goes on.
    bool ended(int timeout_ms);

    UniqueFd socket_, words_;  // words_: what the carrier writes to standard error, in memory
    pid_t carrier_ = 0;
    std::string url_;
};

}  // namespace gantry::cli
