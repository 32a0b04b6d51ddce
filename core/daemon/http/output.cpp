#include "core/daemon/http/output.hpp"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>

namespace gantry::http {
namespace {
constexpr std::size_t most_pieces = 4;
}

std::size_t Output::offer(std::initializer_list<std::string_view> pieces) {
    iovec parts[most_pieces];
    std::size_t count = 0;
    for (std::string_view piece : pieces)
        if (!piece.empty()) parts[count++] = {const_cast<char*>(piece.data()), piece.size()};
    if (count == 0) return 0;
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = count;
    ssize_t n = 0;
    while ((n = ::sendmsg(fd_, &message, MSG_NOSIGNAL | MSG_DONTWAIT)) < 0 && errno == EINTR) {
    }
    if (n >= 0) return static_cast<std::size_t>(n);
    if (errno != EAGAIN) {
        gone_.store(true, std::memory_order_release);
        room_.notify_all();
    }
    return 0;
}

// A slow client's memory is given back.
void Output::let_go() {
    waiting_ = std::string();
    sent_ = body_sent_ = 0;
    body_.reset();
}

Output::State Output::send(std::initializer_list<std::string_view> pieces) {
    std::lock_guard lock(mutex_);
    if (gone()) return State::gone;
    if (body_) {
        waiting_.append(*body_, body_sent_);
        body_.reset();
    }
    std::size_t done = sent_ < waiting_.size() ? 0 : offer(pieces);
    if (gone()) return State::gone;
    if (sent_ == waiting_.size()) let_go();
    for (std::string_view piece : pieces) {
        const std::size_t skip = std::min(done, piece.size());
        done -= skip;
        waiting_ += piece.substr(skip);
    }
    return waiting_.empty() ? State::clear : State::waiting;
}

Output::State Output::send(std::string_view head, std::shared_ptr<const std::string> body) {
    std::unique_lock lock(mutex_);
    if (gone()) return State::gone;
    if (pending_locked() > 0) {
        lock.unlock();
        return send({head, *body});
    }
    const std::size_t done = offer({head, *body});
    if (gone()) return State::gone;
    if (done == head.size() + body->size()) return State::clear;
    waiting_ = head.substr(std::min(done, head.size()));
    sent_ = 0;
    body_sent_ = done - std::min(done, head.size());
    body_ = std::move(body);
    return State::waiting;
}

Output::State Output::flush() {
    std::lock_guard lock(mutex_);
    while (!gone() && pending_locked() > 0) {
        const std::string_view held = body_ ? std::string_view(*body_).substr(body_sent_) : std::string_view();
        const std::size_t first = waiting_.size() - sent_;
        const std::size_t done = offer({std::string_view(waiting_).substr(sent_), held});
        sent_ += std::min(done, first);
        body_sent_ += done - std::min(done, first);
        if (done > 0 || gone()) continue;
        if (sent_ > waiting_.size() / 2) {
            waiting_.erase(0, sent_);
            sent_ = 0;
        }
        room_.notify_all();
        return State::waiting;
    }
    room_.notify_all();
    if (gone()) return State::gone;
    let_go();
    return State::clear;
}

bool Output::wait_for_room(std::size_t limit) {
    std::unique_lock lock(mutex_);
    room_.wait(lock, [&] { return gone() || pending_locked() < limit; });
    return !gone();
}

void Output::mark_gone() {
    std::lock_guard lock(mutex_);
    gone_.store(true, std::memory_order_release);
    room_.notify_all();
}

std::size_t Output::pending() const {
    std::lock_guard lock(mutex_);
    return pending_locked();
}

}  // namespace gantry::http
