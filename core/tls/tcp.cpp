#include "core/tls/tcp.hpp"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <memory>

namespace gantry::tls {
namespace {

using Addresses = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

Result<Addresses> addresses_of(const std::string& host, int port, int flags) {
    addrinfo wish{}, *found = nullptr;
    wish.ai_family = AF_UNSPEC;
    wish.ai_socktype = SOCK_STREAM;
    wish.ai_flags = flags | AI_NUMERICSERV;
    const int error = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &wish, &found);
    if (error == EAI_SYSTEM) return fail_errno("look up \"" + host + "\"");
    if (error != 0) return fail(Code::not_found, "look up \"" + host + "\": " + ::gai_strerror(error));
    return Addresses(found, &::freeaddrinfo);
}

Result<UniqueFd> connect_one(const addrinfo& address, int timeout_ms) {
    UniqueFd fd(::socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) return fail_errno("socket");
    if (::connect(fd.get(), address.ai_addr, address.ai_addrlen) == 0) return fd;
    if (errno != EINPROGRESS) return fail_errno("connect");
    pollfd ready{fd.get(), POLLOUT, 0};
    int got = 0;
    while ((got = ::poll(&ready, 1, timeout_ms)) < 0 && errno == EINTR) {
    }
    if (got == 0) return fail_errno("connect", ETIMEDOUT);
    int error = 0;
    socklen_t size = sizeof error;
    if (::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) return fail_errno("connect");
    if (error != 0) return fail_errno("connect", error);
    return fd;
}

}  // namespace

void settle_tcp(int socket) {
    const int on = 1, idle = 30, between = 10, tries = 6;
    (void)::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)::setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    (void)::setsockopt(socket, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    (void)::setsockopt(socket, IPPROTO_TCP, TCP_KEEPINTVL, &between, sizeof between);
    (void)::setsockopt(socket, IPPROTO_TCP, TCP_KEEPCNT, &tries, sizeof tries);
}

Result<UniqueFd> connect_tcp(const std::string& host, int port, int timeout_ms) {
    GANTRY_TRY(Addresses all, addresses_of(host, port, AI_ADDRCONFIG));
    Error last = fail(Code::not_found, "\"" + host + "\" has no address");
    for (const addrinfo* address = all.get(); address; address = address->ai_next) {
        auto fd = connect_one(*address, timeout_ms);
        if (fd) {
            settle_tcp(fd->get());
            return fd;
        }
        last = std::move(fd).error();
    }
    return last;
}

Result<UniqueFd> listen_tcp(const std::string& address, int port) {
    GANTRY_TRY(Addresses found, addresses_of(address, port, AI_NUMERICHOST | AI_PASSIVE));
    const std::string where = "listen at tcp://" + address + ":" + std::to_string(port);
    UniqueFd fd(::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) return fail_errno(where);
    const int on = 1;
    // The port of an engine that has just ended can be taken again at once.
    (void)::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (found->ai_family == AF_INET6) (void)::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (::bind(fd.get(), found->ai_addr, found->ai_addrlen) != 0 || ::listen(fd.get(), 1024) != 0) {
        if (errno == EADDRINUSE) return fail(Code::busy, where + ": the port is taken");
        return fail_errno(where);
    }
    return fd;
}

}  // namespace gantry::tls
