// Replies and bodies that go on, connections that are given away, clients that vanish.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>

#include "core/base/files.hpp"
#include "tests/unit/core/daemon/client.hpp"

using namespace gantry;
using namespace gantry::http;
using gantry::test::Client;
using gantry::test::status_line;
using ServerStream = gantry::test::ServerTest;

namespace {

std::string get_of(std::string_view target) {
    return "GET " + std::string(target) + " HTTP/1.1\r\nHost: docker\r\n\r\n";
}

std::size_t open_descriptors() { return list_directory("/proc/self/fd")->size(); }

template <typename F>
bool becomes_true(F condition) {
    for (int i = 0; i < 300; ++i) {
        if (condition()) return true;
        ::usleep(10'000);
    }
    return false;
}

}  // namespace

TEST_F(ServerStream, sends_chunks_as_they_are_written_and_keeps_the_connection) {
    router_.add("GET", "/logs", [](Request, std::shared_ptr<Responder> r) {
        auto stream = r->stream(200, "text/plain");
        (void)stream->write("one");
        (void)stream->write("two!");
    });
    start();
    Client client(settings_.socket_path);
    for (int i = 0; i < 2; ++i) {
        client.send(get_of("/logs"));
        const std::string reply = client.read("0\r\n\r\n");
        EXPECT_NE(reply.find("Transfer-Encoding: chunked"), std::string::npos);
        EXPECT_TRUE(reply.ends_with("\r\n\r\n3\r\none\r\n4\r\ntwo!\r\n0\r\n\r\n")) << reply;
    }
}

TEST_F(ServerStream, closes_before_the_end_where_the_reply_is_not_whole_and_sends_further_headers) {
    router_.add("GET", "/archive", [](Request, std::shared_ptr<Responder> r) {
        auto stream = r->stream(200, "application/x-tar", {{"X-About", "it"}});
        (void)stream->write("one");
        stream->abort();
    });
    start();
    const std::string reply = exchange(get_of("/archive"));
    EXPECT_NE(reply.find("X-About: it\r\n"), std::string::npos);
    EXPECT_TRUE(reply.ends_with("3\r\none\r\n")) << reply;
}

TEST_F(ServerStream, ends_with_the_connection_for_an_old_client) {
    router_.add("GET", "/logs",
                [](Request, std::shared_ptr<Responder> r) { (void)r->stream(200, "text/plain")->write("one"); });
    start();
    EXPECT_TRUE(exchange("GET /logs HTTP/1.0\r\n\r\n").ends_with("\r\n\r\none"));
}

TEST_F(ServerStream, holds_a_writer_back_while_the_client_does_not_read) {
    std::atomic<std::size_t> written = 0;
    std::atomic<bool> ended = false;
    router_.add("GET", "/much", [&](Request, std::shared_ptr<Responder> r) {
        auto stream = r->stream(200, "text/plain");
        const std::string piece(16'384, 'x');
        for (int i = 0; i < 1000; ++i) {
            if (!stream->write(piece)) break;
            written += piece.size();
        }
        ended = true;
    });
    start();
    Client client(settings_.socket_path);
    client.send(get_of("/much"));
    ::usleep(200'000);
    EXPECT_FALSE(ended);
    EXPECT_LT(written, 2u << 20);
    const std::string reply = client.read("0\r\n\r\n", 20'000);
    EXPECT_TRUE(ended);
    EXPECT_GT(reply.size(), 16'384u * 1000);
}

TEST_F(ServerStream, tells_a_writer_that_waits_when_its_client_goes) {
    std::atomic<bool> cancelled = false, told = false;
    router_.add("GET", "/much", [&](Request, std::shared_ptr<Responder> r) {
        auto stream = r->stream(200, "text/plain");
        stream->on_client_gone([&] { told = true; });
        const std::string piece(65'536, 'x');
        for (;;)
            if (auto sent = stream->write(piece); !sent) {
                cancelled = sent.error().code == Code::cancelled && stream->client_gone();
                return;
            }
    });
    start();
    Client client(settings_.socket_path);
    client.send(get_of("/much"));
    client.read("HTTP", 1000);
    client.close();
    EXPECT_TRUE(becomes_true([&] { return cancelled && told; }));
}

TEST_F(ServerStream, notices_that_a_client_has_gone_while_nothing_is_sent) {
    std::atomic<int> told = 0;
    std::mutex mutex;
    std::vector<std::shared_ptr<Stream>> streams;
    std::vector<std::shared_ptr<Responder>> responders;
    router_.add("GET", "/events", [&](Request, std::shared_ptr<Responder> r) {
        auto stream = r->stream(200, "application/json");
        stream->on_client_gone([&] { ++told; });
        std::lock_guard lock(mutex);
        streams.push_back(stream);
    });
    router_.add("POST", "/wait", [&](Request, std::shared_ptr<Responder> r) {
        r->on_client_gone([&] { ++told; });
        std::lock_guard lock(mutex);
        responders.push_back(r);
    });
    start();
    Client events(settings_.socket_path), wait(settings_.socket_path), pipelined(settings_.socket_path);
    events.send(get_of("/events"));
    events.read("\r\n\r\n");
    wait.send("POST /wait HTTP/1.1\r\nHost: docker\r\n\r\n");
    pipelined.send("POST /wait HTTP/1.1\r\nHost: docker\r\n\r\nmore bytes");
    ASSERT_TRUE(becomes_true([&] {
        std::lock_guard lock(mutex);
        return responders.size() == 2;
    }));
    EXPECT_EQ(told, 0);
    events.close();
    wait.close();
    pipelined.close();
    EXPECT_TRUE(becomes_true([&] { return told == 3; })) << told;
    streams.clear();
    responders.clear();
}

TEST_F(ServerStream, answers_a_client_that_has_closed_its_own_side_only) {
    std::shared_ptr<Responder> waiting;
    std::atomic<bool> told = false, has = false;
    router_.add("POST", "/wait", [&](Request, std::shared_ptr<Responder> r) {
        r->on_client_gone([&] { told = true; });
        waiting = r;
        has = true;
    });
    start();
    Client client(settings_.socket_path);
    client.send("POST /wait HTTP/1.1\r\nHost: docker\r\n\r\n");
    client.half_close();
    ASSERT_TRUE(becomes_true([&] { return has.load(); }));
    ::usleep(50'000);
    EXPECT_FALSE(told);
    waiting->json(200, {{"StatusCode", 0}});
    waiting.reset();
    EXPECT_NE(client.read().find("StatusCode"), std::string::npos);
}

TEST_F(ServerStream, gives_the_connection_away_with_the_bytes_that_came_early) {
    std::promise<std::string> heard;
    router_.add("POST", "/attach", [&](Request, std::shared_ptr<Responder> r) {
        auto given = r->hijack("application/vnd.docker.raw-stream");
        if (!given) return heard.set_value(given.error().text);
        EXPECT_EQ(::fcntl(given->socket.get(), F_GETFL) & O_NONBLOCK, 0);
        EXPECT_NE(::fcntl(given->socket.get(), F_GETFD) & FD_CLOEXEC, 0);
        std::string got = given->early;
        char buffer[100];
        while (got.find("end") == std::string::npos) {
            const ssize_t n = ::read(given->socket.get(), buffer, sizeof buffer);
            if (n <= 0) break;
            got.append(buffer, static_cast<std::size_t>(n));
        }
        ::usleep(50'000);  // the server has long forgotten this connection
        (void)write_all(given->socket.get(), "raw bytes");
        heard.set_value(got);
    });
    start();
    Client client(settings_.socket_path);
    client.send(
        "POST /attach HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: "
        "0\r\n\r\nearly ");
    const std::string head = client.read("\r\n\r\n");
    EXPECT_EQ(status_line(head), "HTTP/1.1 101 UPGRADED");
    EXPECT_NE(head.find("\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"), std::string::npos);
    EXPECT_NE(head.find("\r\nContent-Type: application/vnd.docker.raw-stream\r\n"), std::string::npos);
    client.send("late end");
    auto what = heard.get_future();
    ASSERT_EQ(what.wait_for(std::chrono::seconds(10)), std::future_status::ready);
    EXPECT_EQ(what.get(), "early late end");
    EXPECT_EQ(client.read(), "raw bytes");
    EXPECT_TRUE(client.closed());
}

TEST_F(ServerStream, gives_the_connection_away_for_another_protocol) {
    router_.add("POST", "/grpc", [&](Request, std::shared_ptr<Responder> r) {
        auto given = r->upgrade("h2c");
        if (given) (void)write_all(given->socket.get(), "spoken");
        EXPECT_FALSE(r->upgrade("h2c")) << "it is given away once";
    });
    start();
    Client client(settings_.socket_path);
    client.send("POST /grpc HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n");
    const std::string head = client.read("\r\n\r\n");
    EXPECT_EQ(status_line(head), "HTTP/1.1 101 UPGRADED");
    EXPECT_NE(head.find("\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"), std::string::npos);
    EXPECT_EQ(head.find("Content-Type"), std::string::npos);
    EXPECT_EQ(client.read(), "spoken");
    EXPECT_TRUE(client.closed());
}

TEST_F(ServerStream, gives_a_connection_away_that_outlives_the_server) {
    UniqueFd kept;
    std::atomic<bool> has = false;
    router_.add("POST", "/attach", [&](Request, std::shared_ptr<Responder> r) {
        kept = std::move(r->hijack("application/vnd.docker.raw-stream")->socket);
        has = true;
    });
    start();
    Client client(settings_.socket_path);
    client.send("POST /attach HTTP/1.1\r\nHost: docker\r\n\r\n");
    EXPECT_EQ(status_line(client.read("\r\n\r\n")), "HTTP/1.1 200 OK");
    ASSERT_TRUE(becomes_true([&] { return has.load(); }));
    stop();
    ASSERT_TRUE(write_all(kept.get(), "still here"));
    EXPECT_EQ(client.read("here"), "still here");
}

TEST_F(ServerStream, hands_a_body_over_as_a_stream_whole) {
    router_.add(
        "POST", "/load",
        [](Request q, std::shared_ptr<Responder> r) {
            auto body = read_all(q.body_stream.get(), 100u << 20);
            body ? r->json(200, {{"bytes", body->size()}, {"sum", std::hash<std::string>()(*body)}})
                 : r->error(body.error());
        },
        Body::streamed);
    start();
    std::string body(20u << 20, '\0');
    for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>(i * 31 + i / 4096);
    Client client(settings_.socket_path);
    std::thread sender([&] {
        client.send("POST /load HTTP/1.1\r\nHost: docker\r\nTransfer-Encoding: chunked\r\n\r\n");
        char size[20];
        for (std::size_t at = 0; at < body.size(); at += 300'000) {
            const std::string_view piece = std::string_view(body).substr(at, 300'000);
            std::snprintf(size, sizeof size, "%zx\r\n", piece.size());
            client.send(size);
            client.send(piece);
            client.send("\r\n");
        }
        client.send("0\r\n\r\n");
    });
    const std::string reply = client.read("}\n", 20'000);
    sender.join();
    EXPECT_NE(reply.find("\"bytes\":" + std::to_string(body.size())), std::string::npos) << reply;
    EXPECT_NE(reply.find(std::to_string(std::hash<std::string>()(body))), std::string::npos);
    client.send("POST /load HTTP/1.1\r\nHost: docker\r\nContent-Length: 3\r\n\r\nabc");
    EXPECT_NE(client.read("}\n").find("\"bytes\":3"), std::string::npos);
    client.send("POST /load HTTP/1.1\r\nHost: docker\r\nContent-Length: 0\r\n\r\n");
    EXPECT_NE(client.read("}\n").find("\"bytes\":0"), std::string::npos);
}

TEST_F(ServerStream, never_ends_a_body_cleanly_that_was_cut_off) {
    std::promise<Error> outcome;
    router_.add(
        "POST", "/load",
        [&](Request q, std::shared_ptr<Responder> r) {
            auto body = read_all(q.body_stream.get());
            outcome.set_value(body ? fail(Code::internal, "read " + std::to_string(body->size()) + " bytes")
                                   : body.error());
            r->empty(204);
        },
        Body::streamed);
    start();
    Client client(settings_.socket_path);
    client.send("POST /load HTTP/1.1\r\nHost: docker\r\nContent-Length: 1000\r\n\r\nabc");
    ::usleep(50'000);
    client.close();
    auto what = outcome.get_future();
    ASSERT_EQ(what.wait_for(std::chrono::seconds(10)), std::future_status::ready);
    EXPECT_EQ(what.get().system_errno, ECONNRESET);
}

TEST_F(ServerStream, answers_before_the_whole_body_was_read) {
    router_.add(
        "POST", "/load", [](Request, std::shared_ptr<Responder> r) { r->error(fail(Code::invalid, "not an archive")); },
        Body::streamed);
    start();
    Client client(settings_.socket_path);
    client.send("POST /load HTTP/1.1\r\nHost: docker\r\nContent-Length: 50000000\r\n\r\n");
    std::string piece(100'000, 'x');
    bool sent = true;
    for (int i = 0; i < 50 && sent; ++i) sent = client.send(piece);
    EXPECT_TRUE(sent) << "the client could not finish what it was sending";
    EXPECT_NE(client.read("}\n").find("not an archive"), std::string::npos);
}

TEST_F(ServerStream, leaves_no_descriptor_behind) {
    router_.add("GET", "/logs",
                [](Request, std::shared_ptr<Responder> r) { (void)r->stream(200, "text/plain")->write("x"); });
    router_.add(
        "POST", "/load", [](Request, std::shared_ptr<Responder> r) { r->empty(204); }, Body::streamed);
    router_.add("POST", "/attach", [](Request, std::shared_ptr<Responder> r) { (void)r->hijack("text/plain"); });
    start();
    exchange(get_of("/logs"), "0\r\n\r\n");
    const std::size_t before = open_descriptors();
    for (int i = 0; i < 100; ++i) {
        Client a(settings_.socket_path), b(settings_.socket_path), c(settings_.socket_path), d(settings_.socket_path);
        a.send(get_of("/logs"));
        b.send("POST /load HTTP/1.1\r\nHost: docker\r\nContent-Length: 1000\r\n\r\nabc");
        c.send("POST /attach HTTP/1.1\r\nHost: docker\r\n\r\n");
        d.send("POST /attach HTT");
        if (i % 2) c.read();
    }
    EXPECT_TRUE(becomes_true([&] { return open_descriptors() <= before; }))
        << open_descriptors() << " after " << before;
}

TEST_F(ServerStream, ends_open_streams_when_the_server_stops) {
    std::shared_ptr<Stream> kept;
    std::atomic<bool> has = false, told = false;
    router_.add("GET", "/events", [&](Request, std::shared_ptr<Responder> r) {
        kept = r->stream(200, "application/json");
        kept->on_client_gone([&] { told = true; });
        has = true;
    });
    start();
    Client client(settings_.socket_path);
    client.send(get_of("/events"));
    client.read("\r\n\r\n");
    ASSERT_TRUE(becomes_true([&] { return has.load(); }));
    const auto begin = std::chrono::steady_clock::now();
    stop();
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(3));
    EXPECT_TRUE(told);
    EXPECT_FALSE(kept->write("x"));
    kept.reset();
}
