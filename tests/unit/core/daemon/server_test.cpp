#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <future>

#include "core/base/files.hpp"
#include "tests/unit/core/daemon/client.hpp"

using namespace gantry;
using namespace gantry::http;
using gantry::test::Client;
using gantry::test::status_line;
using ServerReply = gantry::test::ServerTest;

namespace {

std::string get(std::string_view target) { return "GET " + std::string(target) + " HTTP/1.1\r\nHost: docker\r\n\r\n"; }

void add_echo(Router& router) {
    router.add(
        "GET", "/_ping", [](Request, std::shared_ptr<Responder> r) { r->text(200, "text/plain", "OK"); }, Body::none,
        Run::reactor);
    router.add("POST", "/echo", [](Request q, std::shared_ptr<Responder> r) {
        auto json = q.json();
        json ? r->json(201, *json) : r->error(json.error());
    });
}

}  // namespace

TEST_F(ServerReply, carries_the_headers_of_every_reply) {
    add_echo(router_);
    start();
    const std::string reply = exchange(get("/v1.47/_ping"), "OK");
    EXPECT_EQ(status_line(reply), "HTTP/1.1 200 OK");
    for (const char* header :
         {"\r\nApi-Version: 1.56\r\n", "\r\nDocker-Experimental: false\r\n", "\r\nOstype: linux\r\n",
          "\r\nServer: Gantry/0.1.0 (linux)\r\n", "\r\nContent-Length: 2\r\n"})
        EXPECT_NE(reply.find(header), std::string::npos) << header;
    const std::string unknown = exchange(get("/nothing"), "\n");
    EXPECT_EQ(status_line(exchange(get("/nothing"), "}\n")), "HTTP/1.1 404 Not Found");
    EXPECT_NE(exchange(get("/nothing"), "}\n").find("{\"message\":\"page not found\"}\n"), std::string::npos);
    EXPECT_NE(exchange(get("/v1.57/_ping"), "}\n").find("client version 1.57 is too new"), std::string::npos);
}

TEST_F(ServerReply, sends_no_body_for_head) {
    add_echo(router_);
    start();
    const std::string reply = exchange("HEAD /_ping HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n");
    EXPECT_TRUE(reply.ends_with("\r\n\r\n")) << reply;
    EXPECT_NE(reply.find("Content-Length: 2"), std::string::npos);
}

TEST_F(ServerReply, serves_many_requests_on_one_connection_in_order) {
    add_echo(router_);
    start();
    Client client(settings_.socket_path);
    for (int i = 0; i < 50; ++i) {
        client.send(
            "POST /echo HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\nContent-Length: "
            "13\r\n\r\n{\"number\":" +
            std::to_string(10 + i) + "}");
        EXPECT_NE(client.read("}\n").find("{\"number\":" + std::to_string(10 + i) + "}"), std::string::npos);
    }
}

TEST_F(ServerReply, answers_pipelined_requests_one_after_another) {
    add_echo(router_);
    start();
    std::string many;
    for (int i = 0; i < 200; ++i) many += get("/_ping");
    many += "GET /_ping HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n";
    const std::string reply = exchange(many);
    std::size_t answers = 0;
    for (std::size_t at = reply.find("HTTP/1.1 200 OK"); at != std::string::npos;
         at = reply.find("HTTP/1.1 200 OK", at + 1))
        ++answers;
    EXPECT_EQ(answers, 201u);
}

TEST_F(ServerReply, continues_a_client_that_waits_before_it_sends_its_body) {
    add_echo(router_);
    start();
    Client client(settings_.socket_path);
    client.send(
        "POST /echo HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\nContent-Length: 8\r\nExpect: "
        "100-continue\r\n\r\n");
    EXPECT_EQ(client.read("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("{\"a\": 1}");
    EXPECT_NE(client.read("}\n").find("{\"a\":1}"), std::string::npos);
}

TEST_F(ServerReply, refuses_a_body_that_is_too_large_with_and_without_its_length) {
    Limits limits;
    limits.body_bytes = 1000;
    add_echo(router_);
    start(limits);
    const std::string head = "POST /echo HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\n";
    EXPECT_EQ(status_line(exchange(head + "Content-Length: 1001\r\n\r\n" + std::string(1001, ' '), "}\n")),
              "HTTP/1.1 413 Content Too Large");
    EXPECT_EQ(status_line(exchange(head + "Content-Length: 1000\r\n\r\n" + std::string(1000, ' '), "}\n")),
              "HTTP/1.1 201 Created");
    EXPECT_EQ(
        status_line(exchange(
            head + "Transfer-Encoding: chunked\r\n\r\n3e9\r\n" + std::string(1001, ' ') + "\r\n0\r\n\r\n", "}\n")),
        "HTTP/1.1 413 Content Too Large");
}

TEST_F(ServerReply, refuses_browsers_and_foreign_hosts) {
    add_echo(router_);
    start();
    EXPECT_EQ(status_line(exchange("GET /_ping HTTP/1.1\r\nHost: evil.example\r\n\r\n", "}\n")),
              "HTTP/1.1 403 Forbidden");
    EXPECT_EQ(status_line(exchange("GET /_ping HTTP/1.1\r\nHost: docker\r\nOrigin: null\r\n\r\n", "}\n")),
              "HTTP/1.1 403 Forbidden");
    EXPECT_EQ(status_line(exchange("GET /_ping HTTP/1.1\r\nHost: docker\r\nSec-Fetch-Site: none\r\n\r\n", "}\n")),
              "HTTP/1.1 403 Forbidden");
}

TEST_F(ServerReply, ends_a_client_that_is_too_slow_with_its_header) {
    Limits limits;
    limits.header_ms = 200;
    add_echo(router_);
    start(limits);
    Client slow(settings_.socket_path), silent(settings_.socket_path);
    std::string reply;
    for (int i = 0; i < 20 && reply.empty(); ++i) {
        slow.send(i == 0 ? "GET /_ping HTTP/1.1\r\nX: " : "a");
        reply = slow.read("}\n", 40);
    }
    EXPECT_EQ(status_line(reply), "HTTP/1.1 408 Request Timeout");
    EXPECT_EQ(silent.read(), "");
    EXPECT_TRUE(silent.closed());
    // The clock of a second request begins with its first byte.
    Client second(settings_.socket_path);
    second.send(get("/_ping"));
    second.read("OK");
    ::usleep(400'000);
    second.send("GET /_p");
    EXPECT_EQ(status_line(second.read("}\n")), "HTTP/1.1 408 Request Timeout");
}

TEST_F(ServerReply, ends_a_client_that_is_too_slow_with_its_body_or_idle) {
    Limits limits;
    limits.body_idle_ms = 200;
    limits.keep_alive_ms = 300;
    add_echo(router_);
    start(limits);
    EXPECT_EQ(status_line(exchange("POST /echo HTTP/1.1\r\nHost: docker\r\nContent-Length: 100\r\n\r\nabc", "}\n")),
              "HTTP/1.1 408 Request Timeout");
    Client idle(settings_.socket_path);
    idle.send(get("/_ping"));
    idle.read("OK");
    EXPECT_EQ(idle.read(), "");
    EXPECT_TRUE(idle.closed());
}

TEST_F(ServerReply, answers_others_while_many_connections_are_half_open) {
    add_echo(router_);
    start();
    std::vector<std::unique_ptr<Client>> half_open;
    for (int i = 0; i < 500; ++i) {
        half_open.push_back(std::make_unique<Client>(settings_.socket_path));
        half_open.back()->send("GET /_ping HTTP/1.1\r\nX: ");
    }
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_EQ(status_line(exchange(get("/_ping"), "OK")), "HTTP/1.1 200 OK");
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(500));
}

TEST_F(ServerReply, answers_500_for_a_handler_that_throws_or_forgets) {
    router_.add("GET", "/throws", [](Request, std::shared_ptr<Responder>) { throw std::runtime_error("broken"); });
    router_.add("GET", "/forgets", [](Request, std::shared_ptr<Responder>) {});
    start();
    EXPECT_NE(exchange(get("/throws"), "}\n").find("broken"), std::string::npos);
    EXPECT_EQ(status_line(exchange(get("/forgets"), "}\n")), "HTTP/1.1 500 Internal Server Error");
}

TEST_F(ServerReply, answers_from_another_thread_after_the_handler_has_returned) {
    std::promise<std::thread> made;
    router_.add("GET", "/later", [&](Request, std::shared_ptr<Responder> r) {
        made.set_value(std::thread([r] {
            ::usleep(50'000);
            r->empty(204);
        }));
    });
    start();
    const std::string reply = exchange(get("/later"), "\r\n\r\n");
    EXPECT_EQ(status_line(reply), "HTTP/1.1 204 No Content");
    EXPECT_EQ(reply.find("Content-Length"), std::string::npos);
    made.get_future().get().join();
}

TEST_F(ServerReply, keeps_names_from_becoming_headers) {
    router_.add("GET", "/x", [](Request, std::shared_ptr<Responder> r) {
        r->text(200, "text/plain", "body", {{"X-Good", "1"}, {"X-Bad", "a\r\nX-Injected: 1"}});
    });
    start();
    const std::string reply = exchange(get("/x"), "body");
    EXPECT_NE(reply.find("X-Good: 1"), std::string::npos);
    EXPECT_EQ(reply.find("X-Injected"), std::string::npos);
}

TEST_F(ServerReply, goes_on_while_more_handlers_wait_than_there_are_workers) {
    std::atomic<bool> release = false;
    router_.add("GET", "/wait", [&](Request, std::shared_ptr<Responder> r) {
        while (!release) ::usleep(1000);
        r->empty(204);
    });
    router_.add("GET", "/quick", [](Request, std::shared_ptr<Responder> r) { r->empty(204); });
    start();
    std::vector<std::unique_ptr<Client>> waiting;
    for (int i = 0; i < 20; ++i) {
        waiting.push_back(std::make_unique<Client>(settings_.socket_path));
        waiting.back()->send(get("/wait"));
    }
    EXPECT_EQ(status_line(exchange(get("/quick"), "\r\n\r\n")), "HTTP/1.1 204 No Content");
    release = true;
    for (auto& client : waiting) EXPECT_EQ(status_line(client->read("\r\n\r\n")), "HTTP/1.1 204 No Content");
}

TEST_F(ServerReply, gives_the_socket_its_mode_at_once_and_takes_it_away_at_the_end) {
    const mode_t before = ::umask(0);
    add_echo(router_);
    start();
    ::umask(before);
    struct stat info {};
    ASSERT_EQ(::stat(settings_.socket_path.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777, 0660u);
    stop();
    EXPECT_FALSE(path_exists(settings_.socket_path));
}

TEST_F(ServerReply, replaces_a_stale_socket_and_refuses_a_live_one_and_a_file) {
    { auto stale = listen_unix(scratch_ / "api.sock", SOCK_STREAM); }
    ASSERT_TRUE(path_exists(scratch_ / "api.sock"));
    add_echo(router_);
    start();
    auto second = Server::create(settings_, router_);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, Code::busy);
    EXPECT_EQ(status_line(exchange(get("/_ping"), "OK")), "HTTP/1.1 200 OK");
    ASSERT_TRUE(write_file(scratch_ / "file", "x"));
    ServerSettings other = settings_;
    other.socket_path = scratch_ / "file";
    EXPECT_FALSE(Server::create(other, router_));
    other.socket_path = scratch_ / "other";
    other.socket_group = "no-such-group-here";
    EXPECT_EQ(Server::create(other, router_).error().code, Code::not_found);
}

TEST_F(ServerReply, runs_posted_work) {
    start();
    std::atomic<int> done = 0;
    for (int i = 0; i < 100; ++i) server_->post([&] { ++done; });
    for (int i = 0; i < 300 && done < 100; ++i) ::usleep(10'000);
    EXPECT_EQ(done, 100);
}
