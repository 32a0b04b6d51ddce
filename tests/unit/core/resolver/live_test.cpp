// The program itself, on loopback addresses and ports of its own.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "core/base/clock.hpp"
#include "core/base/files.hpp"
#include "core/base/ids.hpp"
#include "messages.hpp"

extern char** environ;

namespace gantry::resolver::test {
namespace {

sockaddr_in at(const char* address, std::uint16_t port) {
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_port = htons(port);
    ::inet_pton(AF_INET, address, &a.sin_addr);
    return a;
}

bool readable(int fd, int ms) {
    pollfd wait{fd, POLLIN, 0};
    return ::poll(&wait, 1, ms) == 1;
}

std::uint16_t free_port(const char* address) {
    UniqueFd udp(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_in a = at(address, 0);
    EXPECT_EQ(::bind(udp.get(), reinterpret_cast<sockaddr*>(&a), sizeof a), 0);
    socklen_t length = sizeof a;
    ::getsockname(udp.get(), reinterpret_cast<sockaddr*>(&a), &length);
    return ntohs(a.sin_port);
}

constexpr const char* own = "127.0.53.1";
constexpr const char* inner = "127.0.53.2";

class Live : public ::testing::Test {
protected:
    void SetUp() override {
        directory = std::filesystem::temp_directory_path() / ("gantry-resolver-" + new_id().substr(0, 8));
        std::filesystem::create_directories(directory / "names");
        port = free_port(own);
        upstream_port = free_port("127.0.0.1");
        upstream.reset(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        sockaddr_in a = at("127.0.0.1", upstream_port);
        ASSERT_EQ(::bind(upstream.get(), reinterpret_cast<sockaddr*>(&a), sizeof a), 0);
        upstream_tcp.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        const int on = 1;
        ::setsockopt(upstream_tcp.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        ASSERT_EQ(::bind(upstream_tcp.get(), reinterpret_cast<sockaddr*>(&a), sizeof a), 0);
        ASSERT_EQ(::listen(upstream_tcp.get(), 8), 0);
        ASSERT_TRUE(write_file(directory / "resolv.conf", "nameserver 127.0.0.1\n"));
        write("one", Json{{"network", "front"},
                          {"internal", false},
                          {"listen", {own}},
                          {"names", {{"web", {"172.18.0.2"}}}},
                          {"addresses", Json::object()}});
        write("two", Json{{"network", "inner"},
                          {"internal", true},
                          {"listen", {inner}},
                          {"names", {{"db", {"172.18.0.3"}}}},
                          {"addresses", Json::object()}});
        start();
    }
    void TearDown() override {
        if (pid > 0) {
            ::kill(pid, SIGTERM);
            ::waitpid(pid, nullptr, 0);
        }
        std::filesystem::remove_all(directory);
    }
    void start() {
        const std::string names = directory / "names", conf = directory / "resolv.conf", p = std::to_string(port),
                          u = std::to_string(upstream_port);
        std::vector<std::string> words = {GANTRY_TEST_RESOLVER, "--names", names, "--port", p, "--resolv-conf", conf,
                                          "--upstream-port",    u};
        std::vector<char*> arguments;
        for (std::string& word : words) arguments.push_back(word.data());
        arguments.push_back(nullptr);
        ASSERT_EQ(::posix_spawn(&pid, arguments[0], nullptr, nullptr, arguments.data(), environ), 0);
        for (int i = 0; i < 200 && rcode(ask("web", 20)) != 0; ++i)
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    void write(const std::string& id, const Json& json) {
        ASSERT_TRUE(write_file_atomic(directory / "names" / (id + ".json"), json.dump()));
    }

    UniqueFd client(const char* address, int type = SOCK_DGRAM) {
        UniqueFd socket(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
        // From the address it listens at: as the host itself asks.
        sockaddr_in from = at(address, 0), to = at(address, port);
        EXPECT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&from), sizeof from), 0);
        (void)::connect(socket.get(), reinterpret_cast<sockaddr*>(&to), sizeof to);
        return socket;
    }
    std::string ask(const std::string& name, int ms = 2000, const char* address = own, Type type = Type::a) {
        UniqueFd socket = client(address);
        const std::string q = query(name, type);
        (void)::send(socket.get(), q.data(), q.size(), MSG_NOSIGNAL);
        return receive(socket.get(), ms);
    }
    static std::string receive(int socket, int ms) {
        char buffer[65536];
        if (!readable(socket, ms)) return {};
        const ssize_t n = ::recv(socket, buffer, sizeof buffer, 0);
        return n > 0 ? std::string(buffer, static_cast<std::size_t>(n)) : std::string();
    }
    static std::string framed(const std::string& message) {
        return std::string{static_cast<char>(message.size() >> 8), static_cast<char>(message.size() & 255)} + message;
    }

    std::filesystem::path directory;
    std::uint16_t port = 0, upstream_port = 0;
    UniqueFd upstream, upstream_tcp;
    pid_t pid = -1;
};

TEST_F(Live, answers_names_and_follows_their_files) {
    EXPECT_EQ(answers(ask("web")), 1);
    EXPECT_EQ(rcode(ask("nix")), 3);
    write("one", Json{{"network", "front"}, {"listen", {own}}, {"names", {{"shop", {"172.18.0.2", "172.18.0.3"}}}}});
    EXPECT_EQ(answers(ask("shop")), 2);
    EXPECT_EQ(rcode(ask("web")), 3);
}

TEST_F(Live, forwards_with_an_id_of_its_own_and_believes_only_the_right_answer) {
    UniqueFd socket = client(own);
    const std::string q = query("deb.debian.org", Type::a, 0x7777, true);
    ::send(socket.get(), q.data(), q.size(), 0);
    ASSERT_TRUE(readable(upstream.get(), 2000));
    char buffer[4096];
    sockaddr_in from{};
    socklen_t length = sizeof from;
    const ssize_t n = ::recvfrom(upstream.get(), buffer, sizeof buffer, 0, reinterpret_cast<sockaddr*>(&from), &length);
    std::string forwarded(buffer, static_cast<std::size_t>(n));
    EXPECT_EQ(forwarded.substr(2), q.substr(2)) << "EDNS goes through";
    Query parsed;
    ASSERT_EQ(parse_query(forwarded, parsed), Verdict::query);
    auto reply = [&](std::string answer) {
        ::sendto(upstream.get(), answer.data(), answer.size(), 0, reinterpret_cast<sockaddr*>(&from), sizeof from);
    };
    // Wrong id, wrong question: both are passed over.
    std::string forged = build_answer(forwarded, parsed, Rcode::ok, {*address_record("6.6.6.6")}, 512);
    set_id(forged, static_cast<std::uint16_t>(id_of(forwarded) + 1));
    reply(forged);
    const std::string other = query("evil.example", Type::a, id_of(forwarded));
    Query other_query;
    ASSERT_EQ(parse_query(other, other_query), Verdict::query);
    reply(build_answer(other, other_query, Rcode::ok, {*address_record("6.6.6.6")}, 512));
    reply(build_answer(forwarded, parsed, Rcode::ok, {*address_record("9.9.9.9")}, 512));
    const std::string answer = receive(socket.get(), 2000);
    EXPECT_EQ(id_of(answer), 0x7777);
    EXPECT_NE(answer.find(address_record("9.9.9.9")->data), std::string::npos);
}

TEST_F(Live, tries_again_and_then_says_that_it_failed) {
    UniqueFd socket = client(own);
    const std::string q = query("slow.example");
    ::send(socket.get(), q.data(), q.size(), 0);
    EXPECT_EQ(rcode(receive(socket.get(), 5000)), 2);
    int asked = 0;
    while (readable(upstream.get(), 0)) {
        (void)receive(upstream.get(), 0);
        ++asked;
    }
    EXPECT_EQ(asked, 2);
}

TEST_F(Live, sends_nothing_out_for_an_internal_network) {
    EXPECT_EQ(answers(ask("db", 2000, inner)), 1);
    for (int i = 0; i < 50; ++i) {
        const int code = rcode(ask("n" + std::to_string(i) + (i % 2 ? ".example.org" : ""), 2000, inner));
        EXPECT_TRUE(code == 3 || code == 5) << code;
    }
    EXPECT_EQ(rcode(ask("leak", 2000, own)), 3);
    EXPECT_FALSE(readable(upstream.get(), 100));
}

TEST_F(Live, forwards_tcp_by_tcp) {
    UniqueFd socket = client(own, SOCK_STREAM);
    const std::string q = framed(query("big.example", Type::a, 0x2222)) + framed(query("web", Type::a, 0x2223));
    ::send(socket.get(), q.data(), q.size(), MSG_NOSIGNAL);
    ASSERT_TRUE(readable(upstream_tcp.get(), 2000));
    UniqueFd server(::accept4(upstream_tcp.get(), nullptr, nullptr, SOCK_CLOEXEC));
    const std::string forwarded = receive(server.get(), 2000).substr(2);
    Query parsed;
    ASSERT_EQ(parse_query(forwarded, parsed), Verdict::query);
    const std::string answer =
        build_answer(forwarded, parsed, Rcode::ok, std::vector<Record>(3000, {Type::a, "abcd"}), 65535);
    ASSERT_GT(answer.size(), 40'000u);
    const std::string out = framed(answer);
    std::thread slow([&] {
        // In pieces, as a network delivers it.
        for (std::size_t i = 0; i < out.size(); i += 10'000) {
            ::send(server.get(), out.data() + i, std::min<std::size_t>(10'000, out.size() - i), MSG_NOSIGNAL);
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
    });
    std::string got;
    while (got.size() < out.size() + 2) {
        std::string piece = receive(socket.get(), 2000);
        if (piece.empty()) break;
        got += piece;
    }
    slow.join();
    ASSERT_GE(got.size(), out.size() + 2);
    EXPECT_EQ(id_of(got.substr(2)), 0x2222);
    EXPECT_EQ(id_of(got.substr(out.size() + 2)), 0x2223) << "the second query of the connection";
}

TEST_F(Live, is_not_starved_by_idle_clients_and_rubbish) {
    std::vector<UniqueFd> idle;
    for (int i = 0; i < 300; ++i) {
        idle.push_back(client(own, SOCK_STREAM));
        if (i % 3 == 0) (void)::send(idle.back().get(), "\0", 1, MSG_NOSIGNAL);
    }
    UniqueFd rubbish = client(own);
    const std::string malformed = query("web").substr(0, 12) + std::string("\xc0\x0c\0\1\0\1", 6);
    // In lots that fit the socket's buffer: what the kernel drops says nothing about the server.
    for (int lot = 0; lot < 20; ++lot) {
        for (int i = 0; i < 100; ++i) (void)::send(rubbish.get(), malformed.data(), malformed.size(), MSG_NOSIGNAL);
        ASSERT_EQ(answers(ask("web", 2000)), 1) << "after lot " << lot;
    }
    const std::int64_t before = monotonic_ns();
    for (int i = 0; i < 100; ++i) ASSERT_EQ(answers(ask("web", 1000)), 1);
    EXPECT_LT((monotonic_ns() - before) / 1'000'000, 2000);
    UniqueFd tcp = client(own, SOCK_STREAM);
    const std::string q = framed(query("web"));
    ::send(tcp.get(), q.data(), q.size(), MSG_NOSIGNAL);
    EXPECT_EQ(answers(receive(tcp.get(), 1000).substr(2)), 1);
}

TEST_F(Live, ends_when_the_names_are_removed) {
    std::filesystem::remove_all(directory / "names");
    int status = -1;
    for (int i = 0; i < 200 && ::waitpid(pid, &status, WNOHANG) == 0; ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    EXPECT_EQ(status, 0);
    pid = -1;
}

TEST_F(Live, keeps_no_capability_but_one) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root: looks at what is left of root's capabilities";
    const std::string status = read_file("/proc/" + std::to_string(pid) + "/status").value();
    EXPECT_NE(status.find("CapEff:\t0000000000000400"), std::string::npos) << status;
    EXPECT_NE(status.find("NoNewPrivs:\t1"), std::string::npos);
}

}  // namespace
}  // namespace gantry::resolver::test
