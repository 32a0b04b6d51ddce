// A server on a socket of its own in a thread of its own, and clients that send raw bytes.
#pragma once
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <chrono>
#include <thread>

#include "core/base/unix_socket.hpp"
#include "core/daemon/http/http.hpp"
#include "tests/unit/core/store/scratch.hpp"

namespace gantry::test {

class Client {
public:
    explicit Client(const std::string& path) {
        auto connected = connect_unix(path, SOCK_STREAM);
        if (connected)
            fd_ = std::move(connected).value();
        else
            ADD_FAILURE() << connected.error().text;
    }
    int fd() const { return fd_.get(); }
    bool send(std::string_view data) {
        return ::send(fd_.get(), data.data(), data.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(data.size());
    }
    // Reads until `until` has come, the server closes, or the time is over.
    std::string read(std::string_view until = {}, int timeout_ms = 3000) {
        std::string got;
        const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
        closed_ = false;
        for (;;) {
            if (!until.empty() && got.find(until) != std::string::npos) return got;
            const auto left =
                std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now()).count();
            pollfd state{fd_.get(), POLLIN, 0};
            if (left <= 0 || ::poll(&state, 1, static_cast<int>(left)) <= 0) return got;
            char buffer[65536];
            const ssize_t n = ::recv(fd_.get(), buffer, sizeof buffer, 0);
            if (n <= 0) {
                closed_ = true;
                return got;
            }
            got.append(buffer, static_cast<std::size_t>(n));
        }
    }
    // The last read ended because the server closed.
    bool closed() const { return closed_; }
    void close() { fd_.reset(); }
    void half_close() { ::shutdown(fd_.get(), SHUT_WR); }

private:
    UniqueFd fd_;
    bool closed_ = false;
};

class ServerTest : public ::testing::Test {
protected:
    void start(http::Limits limits = {}) {
        settings_.socket_path = scratch_ / "api.sock";
        settings_.workers = 4;
        settings_.limits = limits;
        auto made = http::Server::create(settings_, router_);
        ASSERT_TRUE(made) << made.error().text;
        server_ = std::move(made).value();
        thread_ = std::thread([this] { server_->run(); });
    }
    void stop() {
        if (server_) server_->stop();
        if (thread_.joinable()) thread_.join();
        server_.reset();
    }
    void TearDown() override { stop(); }
    // What the server says to these bytes until it closes or `until` comes.
    std::string exchange(std::string_view bytes, std::string_view until = {}, int timeout_ms = 3000) {
        Client client(settings_.socket_path);
        client.send(bytes);
        return client.read(until, timeout_ms);
    }

    Scratch scratch_;
    http::Router router_;
    http::ServerSettings settings_;
    std::unique_ptr<http::Server> server_;
    std::thread thread_;
};

inline std::string status_line(const std::string& reply) { return reply.substr(0, reply.find("\r\n")); }

}  // namespace gantry::test
