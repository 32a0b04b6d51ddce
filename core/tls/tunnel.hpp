// Carries bytes between a stream socket of this host and a TCP connection, with TLS over the latter or without. The end of
// one direction is passed on and the other direction goes on, so that streams with half-closes work through it.
#pragma once
#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <string_view>

#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

namespace gantry::tls {

struct ConnectionFree {
    void operator()(SSL* connection) const { ::SSL_free(connection); }
};
using Session = std::unique_ptr<SSL, ConnectionFree>;

// One connection's TLS for a socket, as who accepts or who connects (to `host`, a name or an address, whose certificate it
// must be where the context verifies). The socket stays the caller's.
Result<Session> accepting(SSL_CTX* context, int socket);
Result<Session> connecting(SSL_CTX* context, int socket, const std::string& host);

// One thread at a time. Its owner polls for what it asks for and calls advance().
class Tunnel {
public:
    // Makes both sockets non-blocking. `session` null: without TLS.
    Tunnel(UniqueFd inner, UniqueFd outer, Session session);

    // Carries what can be carried now. False: it is over, and reason() says why where that was a failure. A server that refuses
    // its client goes on until the client has ended; its owner sets the time for that as for a handshake.
    bool advance();
    // The handshake is done (without TLS: from the start).
    bool established() const { return established_; }
    // What to poll, -1 for nothing, and for what. Of the inner end a hang-up is of interest at all times; the outer one's would
    // be told without end while nothing can be done about it.
    int inner_poll() const;
    int outer_poll() const;
    short inner_events() const;
    short outer_events() const;
    // poll() said POLLHUP: nobody is at the inner end any more. What it sent still goes out.
    void inner_gone() { inner_gone_ = true; }
    const std::string& reason() const { return reason_; }

private:
    enum class Step { moved = 1, waits, over };
    // One direction. `ended`: the source has; `closed`: the other side has been told.
    struct Flow {
        std::string waiting;
        std::size_t at = 0;
        bool ended = false, closed = false;
        std::string_view rest() const { return std::string_view(waiting).substr(at); }
        bool empty() const { return at == waiting.size(); }
    };

    Step shake_hands();
    Step read_refused();
    Step read_outer();
    Step write_outer();
    Step read_inner();
    Step write_inner();
    Step close_outer();
    Step watch_closed_outer();
    Step tls_result(int result);
    Step failed(std::string why);

    UniqueFd inner_, outer_;
    Session session_;
    bool established_ = false, inner_gone_ = false, over_ = false;
    bool refusing_ = false;  // as a server: told the other side why, and wait until it has read that
    short outer_wants_ = 0;  // what TLS said that it waits for
    Flow in_, out_;          // from outside, to outside
    std::string reason_;
};

}  // namespace gantry::tls
