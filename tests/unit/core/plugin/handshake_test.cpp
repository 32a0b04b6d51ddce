#include "core/plugin/handshake.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <thread>

#include "core/base/files.hpp"
#include "core/base/unix_socket.hpp"
#include "tests/unit/plugins/storage/scratch.hpp"

namespace gantry::plugin {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Takes one connection, reads a request's head and writes what it is told.
class Answerer {
public:
    Answerer(const std::string& path, std::string answer) : listener_(listen_unix(path, SOCK_STREAM).value()) {
        thread_ = std::thread([this, answer = std::move(answer)] {
            auto client = accept_unix(listener_.get());
            if (!client) return;
            char buffer[4096];
            while (request_.find("\r\n\r\n") == std::string::npos) {
                const ssize_t n = ::read(client->get(), buffer, sizeof buffer);
                if (n <= 0) return;
                request_.append(buffer, static_cast<std::size_t>(n));
            }
            if (answer.empty()) (void)::read(client->get(), buffer, sizeof buffer);  // until the other one gives up
            (void)::send(client->get(), answer.data(), answer.size(), MSG_NOSIGNAL);
        });
    }
    ~Answerer() {
        ::shutdown(listener_.get(), SHUT_RDWR);
        thread_.join();
    }
    std::string request_;

private:
    UniqueFd listener_;
    std::thread thread_;
};

std::string http(const std::string& body, const char* status = "200 OK") {
    return std::string("HTTP/1.1 ") + status + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

struct Handshake : ::testing::Test {
    gantry::test::Scratch scratch;
    UniqueFd directory = gantry::test::open_directory(scratch.path());
    Result<std::vector<std::string>> ask(int timeout_ms = 5000) {
        return activate(directory.get(), "p.sock", timeout_ms);
    }
};

TEST_F(Handshake, tells_what_is_implemented) {
    Answerer plugin(scratch / "p.sock", http(R"({"Implements": ["VolumeDriver", "authz"]})"));
    auto implemented = ask();
    ASSERT_TRUE(implemented) << implemented.error().text;
    EXPECT_THAT(*implemented, ElementsAre("VolumeDriver", "authz"));
    EXPECT_THAT(plugin.request_, HasSubstr("POST /Plugin.Activate HTTP/1.1\r\n"));
    EXPECT_THAT(plugin.request_, HasSubstr("Accept: application/vnd.docker.plugins.v1.2+json\r\n"));
}

TEST_F(Handshake, tells_apart_who_is_not_there_yet) {
    EXPECT_EQ(ask().error().code, Code::retry_later);
    { UniqueFd gone = listen_unix(scratch / "p.sock", SOCK_STREAM).value(); }
    EXPECT_EQ(ask().error().code, Code::retry_later);
}

TEST_F(Handshake, follows_no_link_and_asks_nothing_but_a_socket) {
    scratch.make("host");
    Answerer other(scratch / "host/other.sock", http(R"({"Implements": []})"));
    ASSERT_EQ(::symlink((scratch / "host/other.sock").c_str(), (scratch / "p.sock").c_str()), 0);
    EXPECT_EQ(ask().error().text, "\"p.sock\" is not a socket");
    ::unlink((scratch / "p.sock").c_str());
    gantry::test::write_text(scratch / "p.sock", "x");
    EXPECT_EQ(ask().error().code, Code::invalid);
}

TEST_F(Handshake, is_bounded_in_time) {
    Answerer plugin(scratch / "p.sock", "");
    EXPECT_EQ(ask(200).error().code, Code::deadline);
}

TEST_F(Handshake, is_bounded_in_size) {
    Answerer plugin(scratch / "p.sock", http(std::string(100'000, 'a')));
    EXPECT_THAT(ask().error().text, HasSubstr("more than 64 KiB"));
}

TEST_F(Handshake, takes_no_other_status) {
    Answerer plugin(scratch / "p.sock", http("{}", "404 Not Found"));
    EXPECT_THAT(ask().error().text, HasSubstr("status 404"));
}

TEST_F(Handshake, answers_are_of_one_form) {
    for (const char* bad :
         {"", "[]", "{}", "null", R"({"Implements": "x"})", R"({"Implements": [1]})", "{\"Implements\": [\""})
        EXPECT_EQ(read_implemented(bad).error().code, Code::invalid) << bad;
    EXPECT_FALSE(read_implemented(std::string(100, '[')));
    EXPECT_FALSE(read_implemented(Json{{"Implements", std::vector<std::string>(101, "a")}}.dump()));
}

TEST_F(Handshake, each_type_must_be_implemented) {
    const Json types = {"docker.volumedriver/1.0", "docker.authz/1.0"};
    EXPECT_TRUE(check_implemented(types, {"authz", "VolumeDriver", "more"}));
    EXPECT_EQ(check_implemented(types, {"VolumeDriver"}).error().text,
              "it does not implement \"docker.authz/1.0\" of its configuration, it implements: \"VolumeDriver\"");
    EXPECT_THAT(check_implemented(types, {}).error().text, HasSubstr("it implements: nothing"));
    EXPECT_TRUE(check_implemented(Json::array(), {}));
}

}  // namespace
}  // namespace gantry::plugin
