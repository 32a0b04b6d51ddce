#include "core/resolver/server.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>

#include "core/base/log.hpp"

namespace gantry::resolver {
namespace {

constexpr std::size_t most_clients = 64;
constexpr std::int64_t retry_ms = 2000;
constexpr int datagrams_a_turn = 64;  // then other descriptors have their turn

// An address of either family with its port.
union SocketAddress {
    sockaddr any;
    sockaddr_in four;
    sockaddr_in6 six;
};

std::string show(const SocketAddress& address) {
    char text[INET6_ADDRSTRLEN];
    const void* bytes = &address.four.sin_addr;
    if (address.any.sa_family == AF_INET6) bytes = &address.six.sin6_addr;
    return ::inet_ntop(address.any.sa_family, bytes, text, sizeof text) ? text : "";
}

// The port has the same place in both.
static_assert(offsetof(sockaddr_in, sin_port) == offsetof(sockaddr_in6, sin6_port));

Result<UniqueFd> bind_socket(int type, const std::string& text, std::uint16_t port) {
    const bool is_six = text.find(':') != std::string::npos;
    const int family = is_six ? AF_INET6 : AF_INET;
    SocketAddress address{};
    address.six = {};
    address.any.sa_family = static_cast<sa_family_t>(family);
    address.four.sin_port = htons(port);
    void* bytes = &address.four.sin_addr;
    if (is_six) bytes = &address.six.sin6_addr;
    if (::inet_pton(family, text.c_str(), bytes) != 1) return fail(Code::invalid, "\"" + text + "\" is not an address");
    UniqueFd socket(::socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!socket) return fail_errno("open a socket");
    const int on = 1;
    // The bridge with the address may be made later. The option of IPv4 serves both families.
    ::setsockopt(socket.get(), IPPROTO_IP, IP_FREEBIND, &on, sizeof on);
    if (is_six) ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (type == SOCK_STREAM) ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (::bind(socket.get(), &address.any, is_six ? sizeof address.six : sizeof address.four) != 0)
        return fail_errno("listen at \"" + text + ":" + std::to_string(port) + "\"");
    if (type == SOCK_STREAM && ::listen(socket.get(), 64) != 0) return fail_errno("listen at \"" + text + "\"");
    return socket;
}

}  // namespace

Server::Server(const ServerSettings& settings, std::unique_ptr<Loop> loop, std::unique_ptr<Zones> zones)
    : settings_(settings),
      loop_(std::move(loop)),
      zones_(std::move(zones)),
      forwarder_(*loop_, Upstream(settings.resolv_conf, settings.upstream_port)) {}

Server::~Server() {
    clients_.clear();
    for (auto& [key, listener] : listeners_) close(*listener);
}

Result<std::unique_ptr<Server>> Server::create(const ServerSettings& settings) {
    GANTRY_TRY(auto loop, Loop::create());
    GANTRY_TRY(auto zones, Zones::open(settings.names));
    std::unique_ptr<Server> server(new Server(settings, std::move(loop), std::move(zones)));
    Server* self = server.get();
    GANTRY_CHECK(self->loop_->add(self->zones_->watch_fd(), EPOLLIN, [self](std::uint32_t) {
        self->zones_->read_changes();
        if (self->zones_->directory_gone())
            self->stop();
        else
            self->follow();
    }));
    self->follow();
    return server;
}

void Server::close(Listener& listener) {
    for (UniqueFd* socket : {&listener.udp, &listener.tcp}) {
        if (*socket) loop_->remove(socket->get());
        socket->reset();
    }
}

Result<void> Server::listen(Listener& listener) {
    GANTRY_TRY(UniqueFd udp, bind_socket(SOCK_DGRAM, listener.address, settings_.port));
    GANTRY_TRY(UniqueFd tcp, bind_socket(SOCK_STREAM, listener.address, settings_.port));
    Listener* which = &listener;
    GANTRY_CHECK(loop_->add(udp.get(), EPOLLIN, [this, which](std::uint32_t) { receive(*which); }));
    listener.udp = std::move(udp);
    auto added = loop_->add(tcp.get(), EPOLLIN, [this, which](std::uint32_t) { accept(*which); });
    if (!added) {
        close(listener);
        return added;
    }
    listener.tcp = std::move(tcp);
    return {};
}

void Server::follow() {
    std::set<std::string> wanted;
    own_.clear();
    for (const auto& [network, file] : zones_->networks())
        for (const std::string& address : file.listen) {
            own_.insert(address);
            const std::string key = network + " " + address;
            wanted.insert(key);
            auto& listener = listeners_[key];
            if (!listener) listener = std::make_unique<Listener>(Listener{network, address, {}, {}});
        }
    // First those that go: another network may have their address now.
    std::erase_if(listeners_, [&](auto& item) {
        if (wanted.contains(item.first)) return false;
        close(*item.second);
        return true;
    });
    bool failed = false;
    for (auto& [key, listener] : listeners_) {
        if (listener->udp) continue;
        auto listening = listen(*listener);
        if (listening) continue;
        failed = true;
        log::warn("names cannot be served", {{"network", listener->network}, {"reason", listening.error().text}});
    }
    loop_->cancel(retry_);
    if (failed) retry_ = loop_->after(retry_ms, [this] { follow(); });
}

void Server::receive(const Listener& listener) {
    for (int i = 0; i < datagrams_a_turn; ++i) {
        char buffer[largest_query_bytes + 1];
        SocketAddress from{};
        socklen_t length = sizeof from;
        const ssize_t bytes = ::recvfrom(listener.udp.get(), buffer, sizeof buffer, MSG_DONTWAIT, &from.any, &length);
        if (bytes < 0) return;
        if (static_cast<std::size_t>(bytes) > largest_query_bytes || from.four.sin_port == 0) continue;
        // The listener may be gone when the answer comes.
        const std::string key = listener.network + " " + listener.address;
        answer(listener.network, show(from), listener.address, std::string(buffer, static_cast<std::size_t>(bytes)),
               Transport::udp, [this, key, from, length](const std::string& message) {
                   auto still = listeners_.find(key);
                   if (message.empty() || still == listeners_.end() || !still->second->udp) return;
                   (void)::sendto(still->second->udp.get(), message.data(), message.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
                                  &from.any, length);
               });
    }
}

// Of the peer that holds most connections, the oldest goes: one that holds many idle ones harms itself only.
void Server::make_room(const std::string& peer) {
    if (clients_.size() < most_clients) return;
    std::map<std::string, int> held;
    ++held[peer];
    for (const TcpClient& client : clients_) ++held[client.peer()];
    const auto most =
        std::max_element(held.begin(), held.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
    auto victim = std::find_if(clients_.begin(), clients_.end(),
                               [&](const TcpClient& c) { return c.peer() == most->first && c.idle(); });
    if (victim == clients_.end())
        victim =
            std::find_if(clients_.begin(), clients_.end(), [&](const TcpClient& c) { return c.peer() == most->first; });
    clients_.erase(victim == clients_.end() ? clients_.begin() : victim);
}

void Server::accept(const Listener& listener) {
    SocketAddress from{};
    socklen_t length = sizeof from;
    UniqueFd socket(::accept4(listener.tcp.get(), &from.any, &length, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!socket) return;
    const std::string peer = show(from), network = listener.network, at = listener.address;
    make_room(peer);
    // The client is destroyed by its own last callback, so it is looked up there and not captured.
    const std::uint64_t number = ++last_client_;
    clients_.emplace_back(
        *loop_, std::move(socket), peer,
        [this, network, peer, at](std::string query, TcpClient::Reply reply) {
            answer(network, peer, at, std::move(query), Transport::tcp, std::move(reply));
        },
        [this, number] {
            std::erase_if(clients_, [number](const TcpClient& client) { return client.number() == number; });
        },
        number);
    if (!clients_.back().start()) clients_.pop_back();
}

void Server::answer(const std::string& network, const std::string& asker, const std::string& at, std::string packet,
                    Transport transport, std::function<void(std::string)> reply) {
    Query query;
    switch (parse_query(packet, query)) {
    case Verdict::drop: return reply("");
    case Verdict::format_error: return reply(build_error(packet, Rcode::format_error));
    case Verdict::not_implemented: return reply(build_error(packet, Rcode::not_implemented));
    case Verdict::query: break;
    }
    const std::size_t limit = transport == Transport::tcp ? largest_message_bytes : query.udp_bytes;
    const Decision decision = zones_->decide(network, asker, at, query);
    if (decision.what == Decision::What::answer)
        return reply(build_answer(packet, query, decision.code, decision.records, limit));
    forwarder_.ask(packet, transport, own_, [packet, query, limit, reply = std::move(reply)](std::string message) {
        reply(message.empty() ? build_answer(packet, query, Rcode::server_failure, {}, limit) : std::move(message));
    });
}

}  // namespace gantry::resolver
