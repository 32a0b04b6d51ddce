#include "core/resolver/forwarder.hpp"

#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "core/resolver/packet.hpp"

namespace gantry::resolver {
namespace {

constexpr std::size_t most_under_way = 1024;
constexpr std::int64_t udp_patience_ms = 1500, tcp_patience_ms = 4000;
constexpr std::size_t rounds = 2;

std::uint16_t random_id() {
    std::uint16_t id = 0;
    while (::getrandom(&id, sizeof id, 0) != sizeof id) {
    }
    return id;
}

}  // namespace

struct Forwarder::Asked {
    std::string query;  // with the id of the present attempt
    std::uint16_t client_id = 0;
    Transport transport = Transport::udp;
    std::vector<Nameserver> servers;
    std::size_t attempt = 0, sent = 0;
    UniqueFd socket;
    std::string received;  // tcp: length and message so far
    Loop::Timer timer = 0;
    std::function<void(std::string)> done;
};

Forwarder::Forwarder(Loop& loop, Upstream upstream) : loop_(loop), upstream_(std::move(upstream)) {}

Forwarder::~Forwarder() {
    for (auto& [key, asked] : asked_) close(*asked);
}

void Forwarder::close(Asked& asked) {
    if (asked.socket) loop_.remove(asked.socket.get());
    asked.socket.reset();
    loop_.cancel(asked.timer);
}

void Forwarder::ask(std::string query, Transport transport, const std::set<std::string>& own,
                    std::function<void(std::string)> done) {
    const auto& servers = upstream_.servers(own);
    if (servers.empty() || asked_.size() >= most_under_way) return done("");
    auto asked = std::make_unique<Asked>();
    asked->client_id = id_of(query);
    asked->query = std::move(query);
    asked->transport = transport;
    asked->servers = servers;
    asked->done = std::move(done);
    const std::uint64_t key = ++last_key_;
    asked_[key] = std::move(asked);
    try_next(key);
}

void Forwarder::finish(std::uint64_t key, std::string answer) {
    auto found = asked_.find(key);
    if (found == asked_.end()) return;
    std::unique_ptr<Asked> asked = std::move(found->second);
    asked_.erase(found);
    close(*asked);
    if (!answer.empty()) set_id(answer, asked->client_id);
    asked->done(std::move(answer));
}

void Forwarder::try_next(std::uint64_t key) {
    auto found = asked_.find(key);
    if (found == asked_.end()) return;
    Asked& asked = *found->second;
    const std::size_t most = asked.servers.size() * (asked.transport == Transport::udp ? rounds : 1);
    while (asked.attempt < most) {
        close(asked);
        const Nameserver& server = asked.servers[asked.attempt++ % asked.servers.size()];
        if (!start(asked, server)) continue;
        const bool tcp = asked.transport == Transport::tcp;
        auto added = loop_.add(asked.socket.get(), tcp ? EPOLLOUT : EPOLLIN,
                               [this, key, tcp](std::uint32_t) { tcp ? ready_tcp(key) : ready(key); });
        if (!added) continue;
        asked.timer = loop_.after(tcp ? tcp_patience_ms : udp_patience_ms, [this, key] { try_next(key); });
        return;
    }
    finish(key, "");
}

Result<void> Forwarder::start(Asked& asked, const Nameserver& server) {
    const int type = asked.transport == Transport::udp ? SOCK_DGRAM : SOCK_STREAM;
    asked.socket.reset(::socket(server.address.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!asked.socket) return fail_errno("open a socket");
    set_id(asked.query, random_id());
    asked.sent = 0;
    asked.received.clear();
    // Connected: the kernel takes answers from this server only, and picks a random port.
    if (::connect(asked.socket.get(), reinterpret_cast<const sockaddr*>(&server.address), server.length) != 0 &&
        errno != EINPROGRESS)
        return fail_errno("connect to \"" + server.text + "\"");
    if (asked.transport == Transport::udp &&
        ::send(asked.socket.get(), asked.query.data(), asked.query.size(), MSG_NOSIGNAL) < 0)
        return fail_errno("ask \"" + server.text + "\"");
    return {};
}

void Forwarder::ready(std::uint64_t key) {
    Asked& asked = *asked_.at(key);
    char buffer[largest_message_bytes];
    const ssize_t length = ::recv(asked.socket.get(), buffer, sizeof buffer, MSG_DONTWAIT);
    if (length < 0) {
        if (errno == EAGAIN || errno == EINTR) return;
        return try_next(key);  // refused: nobody listens there
    }
    std::string answer(buffer, static_cast<std::size_t>(length));
    if (id_of(answer) != id_of(asked.query) || !answers_the_question(answer, asked.query))
        return;  // a forgery; the true one may come yet
    finish(key, std::move(answer));
}

void Forwarder::ready_tcp(std::uint64_t key) {
    Asked& asked = *asked_.at(key);
    const std::string framed =
        std::string{static_cast<char>(asked.query.size() >> 8), static_cast<char>(asked.query.size() & 255)} +
        asked.query;
    if (asked.sent < framed.size()) {
        const ssize_t sent = ::send(asked.socket.get(), framed.data() + asked.sent, framed.size() - asked.sent,
                                    MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0) return errno == EAGAIN || errno == EINTR ? void() : try_next(key);
        asked.sent += static_cast<std::size_t>(sent);
        if (asked.sent == framed.size()) loop_.change(asked.socket.get(), EPOLLIN);
        return;
    }
    char buffer[16384];
    const ssize_t length = ::recv(asked.socket.get(), buffer, sizeof buffer, MSG_DONTWAIT);
    if (length < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (length <= 0) return try_next(key);
    asked.received.append(buffer, static_cast<std::size_t>(length));
    if (asked.received.size() < 2) return;
    const std::size_t wanted = id_of(asked.received);  // the length stands where an id would
    if (asked.received.size() < wanted + 2) return;
    std::string answer = asked.received.substr(2, wanted);
    if (answer.size() < header_bytes || id_of(answer) != id_of(asked.query) ||
        !answers_the_question(answer, asked.query))
        return try_next(key);
    finish(key, std::move(answer));
}

}  // namespace gantry::resolver
