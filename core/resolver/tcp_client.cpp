#include "core/resolver/tcp_client.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>

#include "core/resolver/packet.hpp"

namespace gantry::resolver {
namespace {
constexpr std::int64_t patience_ms = 10'000;
}

TcpClient::TcpClient(Loop& loop, UniqueFd socket, std::string peer, Ask ask, std::function<void()> gone,
                     std::uint64_t number)
    : loop_(loop),
      socket_(std::move(socket)),
      peer_(std::move(peer)),
      ask_(std::move(ask)),
      gone_(std::move(gone)),
      number_(number),
      self_(std::make_shared<TcpClient*>(this)) {}

TcpClient::~TcpClient() {
    *self_ = nullptr;
    loop_.cancel(timer_);
    loop_.remove(socket_.get());
}

Result<void> TcpClient::start() {
    rest();
    return loop_.add(socket_.get(), EPOLLIN | EPOLLRDHUP, [this](std::uint32_t events) { ready(events); });
}

// From now on the next query has to be here, whole, in time: single bytes do not buy more.
void TcpClient::rest() {
    loop_.cancel(timer_);
    timer_ = loop_.after(patience_ms, [this] { end(); });
}

void TcpClient::end() {
    // The callback destroys this object.
    auto gone = std::move(gone_);
    if (gone) gone();
}

void TcpClient::ready(std::uint32_t events) {
    if (events & EPOLLOUT) {
        auto alive = self_;
        flush();
        if (!*alive) return;
    }
    if (events & (EPOLLERR | EPOLLHUP)) return end();
    if (events & (EPOLLIN | EPOLLRDHUP)) receive();
}

void TcpClient::receive() {
    char buffer[largest_query_bytes + 2];
    const ssize_t length = ::recv(socket_.get(), buffer, sizeof buffer, MSG_DONTWAIT);
    if (length < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (length <= 0) return end();
    in_.append(buffer, static_cast<std::size_t>(length));
    next();
}

void TcpClient::next() {
    if (asked_ || in_.size() < 2) return;
    const std::size_t wanted = id_of(in_);
    if (wanted < header_bytes || wanted > largest_query_bytes) return end();
    if (in_.size() < wanted + 2) return;
    std::string query = in_.substr(2, wanted);
    in_.erase(0, wanted + 2);
    asked_ = true;
    loop_.cancel(timer_);
    loop_.change(socket_.get(), 0);  // one query at a time; what follows waits in the kernel
    ask_(std::move(query), [alive = self_](std::string message) {
        if (*alive) (*alive)->answer(message);
    });
}

void TcpClient::answer(const std::string& message) {
    if (message.empty() || message.size() > largest_message_bytes) return end();
    out_ += static_cast<char>(message.size() >> 8);
    out_ += static_cast<char>(message.size() & 255);
    out_ += message;
    asked_ = false;
    rest();
    flush();
}

void TcpClient::flush() {
    const ssize_t sent = ::send(socket_.get(), out_.data(), out_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) return end();
    if (sent > 0) out_.erase(0, static_cast<std::size_t>(sent));
    loop_.change(socket_.get(), out_.empty() ? EPOLLIN | EPOLLRDHUP : EPOLLOUT);
    if (out_.empty()) next();
}

}  // namespace gantry::resolver
