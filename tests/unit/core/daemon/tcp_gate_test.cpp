// Who is let in over TCP, and what happens to who is not.
#include "core/daemon/tcp_gate.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>

#include "core/base/files.hpp"
#include "core/tls/tcp.hpp"
#include "tests/unit/core/store/scratch.hpp"

using namespace gantry;
using namespace gantry::daemon;
using gantry::test::Scratch;

namespace {

// A port that was free a moment ago.
int free_port() {
    auto listener = tls::listen_tcp("127.0.0.1", 0);
    sockaddr_in address{};
    socklen_t size = sizeof address;
    EXPECT_TRUE(listener);
    EXPECT_EQ(::getsockname(listener->get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    return ntohs(address.sin_port);
}

// What the gate hands over.
class Adopted {
public:
    Adopt adopt() {
        return [this](UniqueFd socket, http::Peer peer) {
            std::lock_guard lock(mutex_);
            sockets_.push_back(std::move(socket));
            peer_ = peer;
            more_.notify_all();
        };
    }
    UniqueFd next() {
        std::unique_lock lock(mutex_);
        EXPECT_TRUE(more_.wait_for(lock, std::chrono::seconds(20), [&] { return !sockets_.empty(); }));
        if (sockets_.empty()) return {};
        UniqueFd socket = std::move(sockets_.front());
        sockets_.erase(sockets_.begin());
        return socket;
    }
    http::Peer peer() const { return peer_; }
    std::size_t count() {
        std::lock_guard lock(mutex_);
        return sockets_.size();
    }

private:
    std::mutex mutex_;
    std::condition_variable more_;
    std::vector<UniqueFd> sockets_;
    http::Peer peer_ = http::Peer::certified;
};

config::Listen plain(int port) {
    config::Listen listen;
    listen.hosts = {*config::Host::parse("tcp://127.0.0.1:" + std::to_string(port))};
    listen.plain_loopback = true;
    return listen;
}

bool ends(int fd) {
    pollfd ready{fd, POLLIN, 0};
    char byte;
    return ::poll(&ready, 1, 20'000) == 1 && ::recv(fd, &byte, 1, 0) <= 0;
}

}  // namespace

TEST(TcpGate, plain_loopback_is_handed_to_the_server_as_anybody) {
    Adopted adopted;
    const int port = free_port();
    auto gate = TcpGate::open(plain(port), adopted.adopt());
    ASSERT_TRUE(gate) << gate.error().text;
    (*gate)->start();
    auto client = tls::connect_tcp("127.0.0.1", port, 5000);
    ASSERT_TRUE(client);
    UniqueFd server = adopted.next();
    EXPECT_EQ(adopted.peer(), http::Peer::local);
    ASSERT_TRUE(write_all(server.get(), "hello"));
    server.reset();
    // What connects does not block.
    ASSERT_EQ(::fcntl(client->get(), F_SETFL, 0), 0);
    auto text = read_all(client->get());
    ASSERT_TRUE(text) << text.error().text;
    EXPECT_EQ(*text, "hello");
}

TEST(TcpGate, a_port_that_is_taken_is_told_of_at_once) {
    auto holder = tls::listen_tcp("127.0.0.1", 0);
    sockaddr_in address{};
    socklen_t size = sizeof address;
    ASSERT_EQ(::getsockname(holder->get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    Adopted adopted;
    auto gate = TcpGate::open(plain(ntohs(address.sin_port)), adopted.adopt());
    ASSERT_FALSE(gate);
    EXPECT_EQ(gate.error().code, Code::busy);
    EXPECT_NE(gate.error().text.find("the port is taken"), std::string::npos);
}

TEST(TcpGate, no_more_connections_than_the_limit_are_taken_and_each_that_ends_makes_room) {
    Adopted adopted;
    const int port = free_port();
    auto gate = TcpGate::open(plain(port), adopted.adopt(), {10'000, 1});
    ASSERT_TRUE(gate);
    (*gate)->start();
    auto first = tls::connect_tcp("127.0.0.1", port, 5000);
    UniqueFd server = adopted.next();
    auto second = tls::connect_tcp("127.0.0.1", port, 5000);
    ASSERT_TRUE(first && second);
    EXPECT_EQ(adopted.count(), 0u);
    server.reset();
    EXPECT_TRUE(ends(first->get()));
    first->reset();
    EXPECT_TRUE(adopted.next());
}

TEST(TcpGate, the_end_of_the_gate_is_that_of_its_connections) {
    Adopted adopted;
    const int port = free_port();
    auto gate = TcpGate::open(plain(port), adopted.adopt());
    ASSERT_TRUE(gate);
    (*gate)->start();
    auto client = tls::connect_tcp("127.0.0.1", port, 5000);
    UniqueFd server = adopted.next();
    gate->reset();
    EXPECT_TRUE(ends(client->get()));
    EXPECT_FALSE(tls::connect_tcp("127.0.0.1", port, 1000));
}
