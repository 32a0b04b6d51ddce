#include "core/daemon/http/body_pump.hpp"

#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>

namespace gantry::http {

Result<BodyPump> BodyPump::create(UniqueFd* reader) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return fail_errno("make a socket pair for the body");
    UniqueFd ours(ends[0]), theirs(ends[1]);
    if (::fcntl(ours.get(), F_SETFL, O_NONBLOCK) != 0) return fail_errno("make the body's socket non-blocking");
    const int bytes = 512 << 10;
    ::setsockopt(ours.get(), SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    // A unix socket that is closed with unread data resets its peer (unix(7)): this byte lies unread in our end until
    // finish() takes it.
    if (::send(theirs.get(), "", 1, MSG_NOSIGNAL) != 1) return fail_errno("prepare the body's socket");
    ::shutdown(theirs.get(), SHUT_WR);
    *reader = std::move(theirs);
    return BodyPump(std::move(ours));
}

BodyPump::State BodyPump::write(std::string_view& data) {
    while (!data.empty()) {
        const ssize_t n = ::send(fd_.get(), data.data(), data.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) return State::full;
        if (n < 0) return State::reader_gone;
        data.remove_prefix(static_cast<std::size_t>(n));
    }
    return State::all;
}

void BodyPump::finish() {
    char unread = 0;
    (void)::recv(fd_.get(), &unread, 1, MSG_DONTWAIT);
    fd_.reset();
}

}  // namespace gantry::http
