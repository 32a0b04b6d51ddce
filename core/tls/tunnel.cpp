#include "core/tls/tunnel.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>

#include "core/tls/context.hpp"

namespace gantry::tls {
namespace {

constexpr std::size_t piece = 16384;  // the largest record of TLS

bool is_address(const std::string& host) {
    in6_addr ignored{};
    return ::inet_pton(AF_INET, host.c_str(), &ignored) == 1 || ::inet_pton(AF_INET6, host.c_str(), &ignored) == 1;
}

}  // namespace

Result<Session> accepting(SSL_CTX* context, int socket) {
    Session session(::SSL_new(context));
    if (!session || ::SSL_set_fd(session.get(), socket) != 1) return fail(Code::internal, "TLS: " + last_reason());
    ::SSL_set_accept_state(session.get());
    return session;
}

Result<Session> connecting(SSL_CTX* context, int socket, const std::string& host) {
    Session session(::SSL_new(context));
    if (!session || ::SSL_set_fd(session.get(), socket) != 1) return fail(Code::internal, "TLS: " + last_reason());
    ::SSL_set_connect_state(session.get());
    bool named = false;
    if (is_address(host)) {
        named = ::X509_VERIFY_PARAM_set1_ip_asc(::SSL_get0_param(session.get()), host.c_str()) == 1;
    } else {
        ::SSL_set_hostflags(session.get(), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        named = ::SSL_set1_host(session.get(), host.c_str()) == 1 &&
                ::SSL_set_tlsext_host_name(session.get(), const_cast<char*>(host.c_str())) == 1;
    }
    if (!named) return fail(Code::invalid, "TLS: \"" + host + "\" is no name of a host");
    return session;
}

Tunnel::Tunnel(UniqueFd inner, UniqueFd outer, Session session)
    : inner_(std::move(inner)), outer_(std::move(outer)), session_(std::move(session)), established_(!session_) {
    for (int fd : {inner_.get(), outer_.get()}) (void)::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
}

Tunnel::Step Tunnel::failed(std::string why) {
    if (reason_.empty()) reason_ = std::move(why);
    return Step::over;
}

// What a call of TLS came to that did not do its work.
Tunnel::Step Tunnel::tls_result(int result) {
    const int saved = errno;
    switch (::SSL_get_error(session_.get(), result)) {
    case SSL_ERROR_WANT_READ: outer_wants_ = static_cast<short>(outer_wants_ | POLLIN); return Step::waits;
    case SSL_ERROR_WANT_WRITE: outer_wants_ = static_cast<short>(outer_wants_ | POLLOUT); return Step::waits;
    case SSL_ERROR_SYSCALL: return failed(saved == 0 ? "the connection ended" : std::strerror(saved));
    default: break;
    }
    const long verdict = ::SSL_get_verify_result(session_.get());
    if (verdict != X509_V_OK && (::SSL_get_verify_mode(session_.get()) & SSL_VERIFY_PEER)) {
        ::ERR_clear_error();
        return failed(std::string("certificate verification failed: ") + ::X509_verify_cert_error_string(verdict));
    }
    return failed(last_reason());
}

Tunnel::Step Tunnel::shake_hands() {
    ::ERR_clear_error();
    const int done = ::SSL_do_handshake(session_.get());
    if (done == 1) {
        established_ = true;
        return Step::moved;
    }
    const Step step = tls_result(done);
    if (step != Step::over || !::SSL_is_server(session_.get())) return step;
    // What we refused it for is on its way, and a close with anything unread would overtake it as a reset.
    ::shutdown(outer_.get(), SHUT_WR);
    refusing_ = true;
    return Step::moved;
}

Tunnel::Step Tunnel::read_refused() {
    char unread[4096];
    const ssize_t n = ::recv(outer_.get(), unread, sizeof unread, 0);
    if (n > 0) return Step::moved;
    if (n == 0 || (errno != EAGAIN && errno != EINTR)) return Step::over;
    outer_wants_ = POLLIN;
    return Step::waits;
}

Tunnel::Step Tunnel::read_outer() {
    if (in_.ended || !in_.empty()) return Step::waits;
    in_.waiting.resize(piece);
    in_.at = 0;
    std::size_t got = 0;
    Step step = Step::waits;
    if (session_) {
        ::ERR_clear_error();
        const int done = ::SSL_read_ex(session_.get(), in_.waiting.data(), piece, &got);
        if (done == 1) {
            step = Step::moved;
        } else if (::SSL_get_error(session_.get(), done) == SSL_ERROR_ZERO_RETURN) {
            got = 0;
            step = Step::moved;
            in_.ended = true;
        } else {
            got = 0;
            step = tls_result(done);
        }
    } else {
        const ssize_t n = ::recv(outer_.get(), in_.waiting.data(), piece, 0);
        if (n > 0) got = static_cast<std::size_t>(n);
        if (n == 0) in_.ended = true;
        if (n >= 0) step = Step::moved;
        if (n < 0 && errno != EAGAIN && errno != EINTR) step = failed(std::strerror(errno));
    }
    in_.waiting.resize(got);
    return step;
}

Tunnel::Step Tunnel::write_inner() {
    if (in_.empty()) {
        if (!in_.ended || in_.closed) return Step::waits;
        in_.closed = true;
        ::shutdown(inner_.get(), SHUT_WR);
        return Step::moved;
    }
    const ssize_t n = ::send(inner_.get(), in_.rest().data(), in_.rest().size(), MSG_NOSIGNAL);
    if (n > 0) {
        in_.at += static_cast<std::size_t>(n);
        return Step::moved;
    }
    if (errno == EAGAIN || errno == EINTR) return Step::waits;
    // Nobody wants it; what they sent before may still be on its way out.
    in_.waiting.clear();
    in_.at = 0;
    in_.ended = in_.closed = inner_gone_ = true;
    return Step::moved;
}

Tunnel::Step Tunnel::read_inner() {
    if (out_.ended || !out_.empty()) return Step::waits;
    out_.waiting.resize(piece);
    out_.at = 0;
    const ssize_t n = ::recv(inner_.get(), out_.waiting.data(), piece, 0);
    out_.waiting.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    if (n > 0) return Step::moved;
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return Step::waits;
    // A socket of this host that was closed with something unread in it says ECONNRESET: its end all the same.
    out_.ended = true;
    return Step::moved;
}

Tunnel::Step Tunnel::close_outer() {
    if (!out_.ended || out_.closed) return Step::waits;
    if (session_) {
        ::ERR_clear_error();
        const int done = ::SSL_shutdown(session_.get());
        // 0: ours is sent. The other side's may come much later.
        if (done < 0) return tls_result(done);
    } else {
        ::shutdown(outer_.get(), SHUT_WR);
    }
    out_.closed = true;
    return Step::moved;
}

Tunnel::Step Tunnel::write_outer() {
    if (out_.empty()) return close_outer();
    if (session_) {
        std::size_t sent = 0;
        ::ERR_clear_error();
        const int done = ::SSL_write_ex(session_.get(), out_.rest().data(), out_.rest().size(), &sent);
        if (done != 1) return tls_result(done);
        out_.at += sent;
        return Step::moved;
    }
    const ssize_t n = ::send(outer_.get(), out_.rest().data(), out_.rest().size(), MSG_NOSIGNAL);
    if (n > 0) {
        out_.at += static_cast<std::size_t>(n);
        return Step::moved;
    }
    if (errno == EAGAIN || errno == EINTR) return Step::waits;
    return failed(std::strerror(errno));
}

// TLS tells a half-close (a message of its own) from a connection that is gone: behind the message the socket ends too. Without
// TLS both look the same until the other host says that it knows no such connection.
Tunnel::Step Tunnel::watch_closed_outer() {
    if (!in_.closed) return Step::waits;
    if (!session_) {
        int error = 0;
        socklen_t size = sizeof error;
        (void)::getsockopt(outer_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
        return error == 0 ? Step::waits : Step::over;
    }
    char byte;
    const ssize_t n = ::recv(outer_.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return Step::waits;
    // Nothing may follow the end: so this is one, whatever it is.
    return Step::over;
}

bool Tunnel::advance() {
    // Others of the same thread have their turn too; what is left over is polled for.
    int rounds = 64;
    for (bool moved = true; moved && !over_ && rounds > 0; --rounds) {
        moved = false;
        outer_wants_ = 0;
        if (!established_) {
            const Step step = refusing_ ? read_refused() : shake_hands();
            moved = step == Step::moved;
            over_ = step == Step::over;
            continue;
        }
        using Work = Step (Tunnel::*)();
        for (Work work : {&Tunnel::read_outer, &Tunnel::write_inner, &Tunnel::read_inner, &Tunnel::write_outer,
                          &Tunnel::watch_closed_outer}) {
            const Step step = (this->*work)();
            moved = moved || step == Step::moved;
            if (step == Step::over) {
                over_ = true;
                break;
            }
        }
        if (in_.closed && out_.closed) over_ = true;
        if (inner_gone_ && out_.closed) over_ = true;
    }
    return !over_;
}

int Tunnel::inner_poll() const { return inner_gone_ ? -1 : inner_.get(); }

short Tunnel::inner_events() const {
    short events = 0;
    if (!established_) return events;
    if (!out_.ended && out_.empty()) events |= POLLIN;
    if (!in_.empty()) events |= POLLOUT;
    return events;
}

int Tunnel::outer_poll() const {
    // One that has ended and to which we may still write tells of a reset, and of nothing else, unasked.
    const bool half_closed = established_ && in_.closed && !out_.closed;
    return outer_events() == 0 && !half_closed ? -1 : outer_.get();
}

short Tunnel::outer_events() const {
    short events = outer_wants_;
    if (!established_) return events;
    if (!in_.ended && in_.empty()) events |= POLLIN;
    if (session_ && in_.closed) events |= POLLIN;
    if (!out_.empty()) events |= POLLOUT;
    return events;
}

}  // namespace gantry::tls
