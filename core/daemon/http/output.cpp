#include "core/daemon/http/output.hpp"

#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>

namespace gantry::http {
namespace {
constexpr std::size_t most_pieces = 4;
}

Output::State Output::send(std::initializer_list<std::string_view> pieces) {
    std::lock_guard lock(mutex_);
    return send_locked(pieces);
}

Output::State Output::send_locked(std::initializer_list<std::string_view> pieces) {
    if (gone()) return State::gone;
    if (sent_ < waiting_.size()) {
        for (std::string_view piece : pieces) waiting_ += piece;
        return State::waiting;
    }
    iovec parts[most_pieces];
    std::size_t count = 0, total = 0;
    for (std::string_view piece : pieces) {
        if (piece.empty()) continue;
        parts[count++] = {const_cast<char*>(piece.data()), piece.size()};
        total += piece.size();
    }
    if (total == 0) return State::clear;
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = count;
    ssize_t n = 0;
    while ((n = ::sendmsg(fd_, &message, MSG_NOSIGNAL | MSG_DONTWAIT)) < 0 && errno == EINTR) {
    }
    if (n < 0 && errno != EAGAIN) {
        gone_.store(true, std::memory_order_release);
        room_.notify_all();
        return State::gone;
    }
    std::size_t done = n > 0 ? static_cast<std::size_t>(n) : 0;
    if (done == total) return State::clear;
    waiting_.clear();
    sent_ = 0;
    for (std::size_t i = 0; i < count; ++i) {
        const std::size_t skip = std::min(done, parts[i].iov_len);
        done -= skip;
        waiting_.append(static_cast<const char*>(parts[i].iov_base) + skip, parts[i].iov_len - skip);
    }
    return State::waiting;
}

Output::State Output::flush() {
    std::lock_guard lock(mutex_);
    while (!gone() && sent_ < waiting_.size()) {
        const ssize_t n = ::send(fd_, waiting_.data() + sent_, waiting_.size() - sent_, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) {
            if (sent_ > waiting_.size() / 2) {
                waiting_.erase(0, sent_);
                sent_ = 0;
            }
            room_.notify_all();
            return State::waiting;
        }
        if (n < 0) {
            gone_.store(true, std::memory_order_release);
            break;
        }
        sent_ += static_cast<std::size_t>(n);
    }
    room_.notify_all();
    if (gone()) return State::gone;
    waiting_ = std::string();  // a slow client's memory is given back
    sent_ = 0;
    return State::clear;
}

bool Output::wait_for_room(std::size_t limit) {
    std::unique_lock lock(mutex_);
    room_.wait(lock, [&] { return gone() || waiting_.size() - sent_ < limit; });
    return !gone();
}

void Output::mark_gone() {
    std::lock_guard lock(mutex_);
    gone_.store(true, std::memory_order_release);
    room_.notify_all();
}

std::size_t Output::pending() const {
    std::lock_guard lock(mutex_);
    return waiting_.size() - sent_;
}

}  // namespace gantry::http
