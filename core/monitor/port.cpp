#include "core/monitor/port.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>

namespace gantry::monitor {

Port::Port(Loop& loop, UniqueFd fd, Use use, Events events)
    : fd_(std::move(fd)),
      use_(use),
      events_(std::move(events)),
      watch_(loop, fd_.get(), [this](std::uint32_t e) { ready(e); }) {
    struct stat info {};
    socket_ = ::fstat(fd_.get(), &info) == 0 && S_ISSOCK(info.st_mode);
    // Sockets get MSG_DONTWAIT in each call: their flags are shared with whoever else holds them.
    if (!socket_)
        if (int flags = ::fcntl(fd_.get(), F_GETFL); flags >= 0) ::fcntl(fd_.get(), F_SETFL, flags | O_NONBLOCK);
    update();
}

void Port::update() {
    if (gone_ || !fd_) {
        watch_.want(0);
        return;
    }
    std::uint32_t events = 0;
    if (want_input_) events |= EPOLLIN;
    if (socket_ && !half_closed_) events |= EPOLLRDHUP;
    if (pending()) events |= EPOLLOUT;
    // A hang-up always comes; asking for an unused priority event keeps the watch alive for it.
    if (events == 0) events = EPOLLPRI;
    watch_.want(events);
}

void Port::want_input(bool on) {
    if (want_input_ == on) return;
    want_input_ = on;
    update();
}

ssize_t Port::read(char* buffer, std::size_t size) {
    for (;;) {
        ssize_t n = socket_ ? ::recv(fd_.get(), buffer, size, MSG_DONTWAIT) : ::read(fd_.get(), buffer, size);
        if (n >= 0) return n;
        if (errno == EINTR) continue;
        return errno == EAGAIN ? -1 : 0;
    }
}

ssize_t Port::write(const iovec* parts, int count) {
    for (;;) {
        ssize_t n = 0;
        if (socket_) {
            msghdr header{};
            header.msg_iov = const_cast<iovec*>(parts);
            header.msg_iovlen = static_cast<std::size_t>(count);
            n = ::sendmsg(fd_.get(), &header, MSG_DONTWAIT | MSG_NOSIGNAL);
        } else {
            n = ::writev(fd_.get(), parts, count);
        }
        if (n >= 0) return n;
        if (errno == EINTR) continue;
        if (errno == EAGAIN) return 0;
        gone_ = true;
        return 0;
    }
}

void Port::send(std::string_view header, std::string_view data) {
    if (gone_ || !fd_) return;
    std::size_t done = 0;
    if (!pending()) {
        const iovec parts[2] = {{const_cast<char*>(header.data()), header.size()},
                                {const_cast<char*>(data.data()), data.size()}};
        done = static_cast<std::size_t>(write(parts, 2));
        if (gone_) {
            update();
            events_.gone();
            return;
        }
    }
    if (done < header.size()) pending_.append(header.substr(done));
    done -= done < header.size() ? done : header.size();
    if (done < data.size()) pending_.append(data.substr(done));
    update();
}

void Port::flush() {
    while (pending() && !gone_) {
        const iovec part{pending_.data() + sent_, pending()};
        ssize_t n = write(&part, 1);
        if (n == 0) break;
        sent_ += static_cast<std::size_t>(n);
    }
    if (!pending()) {
        pending_ = std::string();
        sent_ = 0;
    }
}

void Port::ready(std::uint32_t events) {
    if (events & EPOLLOUT) {
        flush();
        if (!gone_ && !pending()) {
            update();
            events_.drained();
        }
    }
    bool ended = (events & (EPOLLHUP | EPOLLERR)) != 0;
    if (want_input_ && !gone_ && (ended || (events & EPOLLIN))) {
        // What the peer sent before it left is read first; the reader stops wanting input at its end.
        events_.readable();
        return;
    }
    if (ended && !gone_) {
        if (use_ == Use::input && !socket_) {
            // A pipe without a writer that nobody reads just now: asked again when input is wanted.
            watch_.want(0);
            return;
        }
        gone_ = true;
    }
    if (events & EPOLLRDHUP) half_closed_ = true;
    update();
    if (gone_) events_.gone();
}

void Port::close() {
    watch_.want(0);
    if (fd_ && socket_) {
        ::shutdown(fd_.get(), SHUT_WR);
        // Unread input would turn the orderly end into a reset, and take what we sent with it.
        char ignored[4096];
        for (int i = 0; i < 64 && ::recv(fd_.get(), ignored, sizeof ignored, MSG_DONTWAIT) > 0; ++i) {
        }
    }
    fd_.reset();
    gone_ = true;
}

std::pair<UniqueFd, std::string> Port::release() {
    watch_.want(0);
    pending_.erase(0, sent_);
    sent_ = 0;
    gone_ = true;
    return {std::move(fd_), std::move(pending_)};
}

}  // namespace gantry::monitor
