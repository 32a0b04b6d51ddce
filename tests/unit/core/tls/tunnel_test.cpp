// Two tunnels back to back over loopback: what goes in at one end comes out at the other, ends included.
#include "core/tls/tunnel.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <optional>
#include <thread>

#include "certificates.hpp"
#include "core/base/files.hpp"
#include "core/tls/context.hpp"
#include "core/tls/tcp.hpp"

namespace gantry::tls {
namespace {

using ::testing::HasSubstr;

std::pair<UniqueFd, UniqueFd> local_pair() {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

std::pair<UniqueFd, UniqueFd> tcp_pair() {
    auto listener = listen_tcp("127.0.0.1", 0);
    EXPECT_TRUE(listener);
    sockaddr_in address{};
    socklen_t size = sizeof address;
    EXPECT_EQ(::getsockname(listener->get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    auto connected = connect_tcp("127.0.0.1", ntohs(address.sin_port), 5000);
    EXPECT_TRUE(connected);
    UniqueFd accepted(::accept4(listener->get(), nullptr, nullptr, SOCK_CLOEXEC));
    return {std::move(*connected), std::move(accepted)};
}

void carry(Tunnel& tunnel) {
    while (tunnel.advance()) {
        pollfd ready[2] = {{tunnel.inner_poll(), tunnel.inner_events(), 0},
                           {tunnel.outer_poll(), tunnel.outer_events(), 0}};
        // Nothing here takes as long as this.
        ASSERT_NE(::poll(ready, 2, 20'000), 0);
        if (ready[0].revents & (POLLHUP | POLLERR)) tunnel.inner_gone();
    }
}

std::string read_to_end(int fd) {
    auto text = read_all(fd);
    return text ? *text : "error: " + text.error().text;
}

class Tunnels : public ::testing::Test {
protected:
    Tunnels() {
        ::signal(SIGPIPE, SIG_IGN);
        char name[] = "/tmp/gantry-tls-XXXXXX";
        directory_ = ::mkdtemp(name);
        authority_ = std::make_unique<test::Authority>(directory_);
        server_ = authority_->sign("server", "DNS:box,IP:127.0.0.1");
        client_ = authority_->sign("client", "");
    }
    ~Tunnels() override {
        finish();
        EXPECT_TRUE(remove_tree(directory_));
    }

    // Begins a client's and a server's tunnel; `near` and `far` are what a client and a server would hold.
    void begin(const Files& client_files, const std::string& host, Verify verify = Verify::yes) {
        auto server = server_context({authority_->file(), server_.certificate, server_.key});
        auto client = client_context(client_files, verify);
        ASSERT_TRUE(server) << server.error().text;
        ASSERT_TRUE(client) << client.error().text;
        server_context_ = std::move(*server);
        client_context_ = std::move(*client);
        auto [connected, accepted] = tcp_pair();
        auto accepting_session = accepting(server_context_.get(), accepted.get());
        auto connecting_session = connecting(client_context_.get(), connected.get(), host);
        ASSERT_TRUE(accepting_session && connecting_session);
        run(std::move(connected), std::move(*connecting_session), std::move(accepted), std::move(*accepting_session));
    }
    void begin_plain() {
        auto [connected, accepted] = tcp_pair();
        run(std::move(connected), nullptr, std::move(accepted), nullptr);
    }
    void finish() {
        near_.reset();
        far_.reset();
        for (std::thread& thread : threads_) thread.join();
        threads_.clear();
    }

    std::string directory_;
    std::unique_ptr<test::Authority> authority_;
    test::Identity server_, client_;
    UniqueFd near_, far_;
    std::string near_reason_, far_reason_;

private:
    void run(UniqueFd connected, Session connecting_session, UniqueFd accepted, Session accepting_session) {
        auto [near, near_inner] = local_pair();
        auto [far, far_inner] = local_pair();
        near_ = std::move(near);
        far_ = std::move(far);
        start(Tunnel(std::move(near_inner), std::move(connected), std::move(connecting_session)), near_reason_);
        start(Tunnel(std::move(far_inner), std::move(accepted), std::move(accepting_session)), far_reason_);
    }
    void start(Tunnel tunnel, std::string& reason) {
        threads_.emplace_back([tunnel = std::move(tunnel), &reason]() mutable {
            carry(tunnel);
            reason = tunnel.reason();
        });
    }

    Context server_context_, client_context_;
    std::vector<std::thread> threads_;
};

TEST_F(Tunnels, carry_both_directions_and_each_ends_by_itself) {
    for (bool tls : {true, false}) {
        if (tls)
            begin({authority_->file(), client_.certificate, client_.key}, "box");
        else
            begin_plain();
        const std::string large(3 << 20, 'x');
        std::thread writer([&] {
            EXPECT_TRUE(write_all(near_.get(), large));
            ::shutdown(near_.get(), SHUT_WR);
        });
        EXPECT_EQ(read_to_end(far_.get()), large);
        writer.join();
        // The one direction has ended; the other goes on.
        EXPECT_TRUE(write_all(far_.get(), "answer"));
        far_.reset();
        EXPECT_EQ(read_to_end(near_.get()), "answer");
        finish();
        EXPECT_EQ(near_reason_ + far_reason_, "");
    }
}

TEST_F(Tunnels, what_was_sent_before_the_end_arrives) {
    begin({authority_->file(), client_.certificate, client_.key}, "127.0.0.1");
    EXPECT_TRUE(write_all(near_.get(), "last words"));
    near_.reset();
    EXPECT_EQ(read_to_end(far_.get()), "last words");
}

TEST_F(Tunnels, an_end_that_is_gone_shows_at_the_other_while_nothing_moves) {
    begin({authority_->file(), client_.certificate, client_.key}, "box");
    EXPECT_TRUE(write_all(near_.get(), "x"));
    char byte;
    EXPECT_EQ(::read(far_.get(), &byte, 1), 1);
    near_.reset();
    // Not its direction's end alone, which comes first.
    pollfd gone{far_.get(), 0, 0};
    EXPECT_EQ(::poll(&gone, 1, 20'000), 1);
    EXPECT_TRUE(gone.revents & POLLHUP);
}

TEST_F(Tunnels, without_tls_a_reset_is_the_end_where_a_half_close_is_none) {
    auto [connected, accepted] = tcp_pair();
    auto [server, inner] = local_pair();
    std::thread carrying([&, tunnel = Tunnel(std::move(inner), std::move(accepted), nullptr)]() mutable {
        carry(tunnel);
        tunnel = Tunnel({}, {}, nullptr);
    });
    ::shutdown(connected.get(), SHUT_WR);
    EXPECT_EQ(read_to_end(server.get()), "");
    pollfd gone{server.get(), 0, 0};
    EXPECT_EQ(::poll(&gone, 1, 0), 0);
    const linger at_once{1, 0};
    ::setsockopt(connected.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    connected.reset();
    EXPECT_EQ(::poll(&gone, 1, 20'000), 1);
    carrying.join();
}

TEST_F(Tunnels, a_server_of_another_name_is_not_spoken_to) {
    begin({authority_->file(), client_.certificate, client_.key}, "other");
    EXPECT_EQ(read_to_end(near_.get()), "");
    EXPECT_EQ(read_to_end(far_.get()), "");
    finish();
    EXPECT_THAT(near_reason_, HasSubstr("certificate verification failed: hostname mismatch"));
}

TEST_F(Tunnels, a_server_of_another_ca_is_not_spoken_to_unless_asked_to) {
    test::Authority other(directory_, "other");
    begin({other.file(), client_.certificate, client_.key}, "box");
    EXPECT_EQ(read_to_end(near_.get()), "");
    finish();
    EXPECT_THAT(near_reason_, HasSubstr("certificate verification failed: "));
    begin({other.file(), client_.certificate, client_.key}, "elsewhere", Verify::no);
    EXPECT_TRUE(write_all(near_.get(), "x"));
    near_.reset();
    EXPECT_EQ(read_to_end(far_.get()), "x");
}

TEST_F(Tunnels, a_client_without_a_certificate_or_with_another_cas_is_refused) {
    begin({authority_->file(), "", ""}, "box");
    EXPECT_EQ(read_to_end(far_.get()), "");
    EXPECT_EQ(read_to_end(near_.get()), "");
    finish();
    EXPECT_THAT(far_reason_, HasSubstr("peer did not return a certificate"));
    EXPECT_THAT(near_reason_, HasSubstr("certificate required"));
    test::Authority other(directory_, "other");
    test::Identity stranger = other.sign("stranger", "");
    begin({authority_->file(), stranger.certificate, stranger.key}, "box");
    EXPECT_EQ(read_to_end(far_.get()), "");
    finish();
    EXPECT_THAT(far_reason_, HasSubstr("certificate verification failed: "));
}

// A close with something unread is a reset, which overtakes the reason on the way to a client that still writes.
TEST_F(Tunnels, a_refused_client_that_still_writes_reads_why) {
    auto server = server_context({authority_->file(), server_.certificate, server_.key});
    auto client = client_context({authority_->file(), "", ""}, Verify::yes);
    ASSERT_TRUE(server && client);
    auto [connected, accepted] = tcp_pair();
    auto accepting_session = accepting(server->get(), accepted.get());
    auto session = connecting(client->get(), connected.get(), "box");
    ASSERT_TRUE(accepting_session && session);
    auto [near, inner] = local_pair();
    std::optional<Tunnel> tunnel(std::in_place, std::move(inner), std::move(accepted), std::move(*accepting_session));

    // The client goes first: its hello, and once the server has answered, its end of the handshake and a request.
    ASSERT_EQ(::fcntl(connected.get(), F_SETFL, O_NONBLOCK), 0);
    pollfd readable{connected.get(), POLLIN, 0};
    while (::SSL_do_handshake(session->get()) != 1) {
        ASSERT_TRUE(tunnel->advance());
        ASSERT_EQ(::poll(&readable, 1, 20'000), 1);
    }
    ASSERT_EQ(::fcntl(connected.get(), F_SETFL, 0), 0);
    const std::string request(1000, 'x');
    ASSERT_GT(::SSL_write(session->get(), request.data(), 1000), 0);
    while (tunnel && tunnel->reason().empty())
        if (!tunnel->advance()) tunnel.reset();
    EXPECT_GT(::SSL_write(session->get(), request.data(), 1000), 0);
    char byte;
    EXPECT_LE(::SSL_read(session->get(), &byte, 1), 0);
    EXPECT_THAT(last_reason(), HasSubstr("certificate required"));
    connected.reset();
    ASSERT_TRUE(tunnel);
    carry(*tunnel);
    EXPECT_FALSE(tunnel->established());
    EXPECT_THAT(tunnel->reason(), HasSubstr("certificate"));
}

TEST_F(Tunnels, files_that_are_none_are_told_of_with_their_names) {
    auto text = [](const auto& result) { return result ? std::string("taken") : result.error().text; };
    EXPECT_THAT(text(server_context({"", server_.certificate, server_.key})), HasSubstr("the CA is missing"));
    EXPECT_THAT(text(server_context({"/no/such", server_.certificate, server_.key})),
                HasSubstr("TLS CA: open \"/no/such\""));
    EXPECT_THAT(text(server_context({authority_->file(), server_.certificate, client_.key})),
                HasSubstr("TLS key \"" + client_.key + "\": key values mismatch"));
    EXPECT_THAT(text(server_context({authority_->file(), server_.key, server_.key})),
                HasSubstr("TLS certificate \"" + server_.key + "\": "));
    EXPECT_THAT(text(client_context({"", server_.certificate, ""}, Verify::yes)), HasSubstr("needs its key"));
}

}  // namespace
}  // namespace gantry::tls
