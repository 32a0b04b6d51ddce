#include "core/config/hosts.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/config/config.hpp"

namespace gantry::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(Hosts, are_addresses_with_a_port) {
    EXPECT_EQ(Host::parse("tcp://0.0.0.0:2376")->url(), "tcp://0.0.0.0:2376");
    EXPECT_FALSE(Host::parse("tcp://0.0.0.0:2376")->loopback);
    EXPECT_TRUE(Host::parse("tcp://127.1.2.3:1")->loopback);
    EXPECT_TRUE(Host::parse("tcp://[::1]:1")->loopback);
    EXPECT_FALSE(Host::parse("tcp://[::]:1")->loopback);
    EXPECT_EQ(Host::parse("tcp://[::1]:1")->url(), "tcp://[::1]:1");
    for (const char* text :
         {"", "tcp://", "tcp://127.0.0.1", "tcp://localhost:2376", "tcp://127.0.0.1:0", "tcp://127.0.0.1:65536",
          "tcp://::1:1", "tcp://[127.0.0.1]:1", "unix:///x", "127.0.0.1:2376"}) {
        auto host = Host::parse(text);
        ASSERT_FALSE(host) << text;
        EXPECT_THAT(host.error().text, HasSubstr("must be tcp://ADDRESS:PORT")) << text;
    }
}

TEST(Hosts, without_tls_are_loopback_and_said_to_be_wanted) {
    Listen listen;
    EXPECT_EQ(wrong_listen(listen), "");
    listen.hosts = {*Host::parse("tcp://127.0.0.1:2375")};
    EXPECT_THAT(wrong_listen(listen), HasSubstr("\"plain_loopback\": true"));
    listen.plain_loopback = true;
    EXPECT_EQ(wrong_listen(listen), "");
    listen.hosts.push_back(*Host::parse("tcp://0.0.0.0:2375"));
    EXPECT_THAT(wrong_listen(listen), HasSubstr("\"tcp://0.0.0.0:2375\" without TLS is refused"));
    listen.ca = "/ca";
    EXPECT_THAT(wrong_listen(listen), HasSubstr("\"cert\" is missing"));
    listen.certificate = listen.key = "/x";
    EXPECT_EQ(wrong_listen(listen), "");
}

TEST(Hosts, are_read_from_the_configuration_with_every_mistake_told) {
    Config config;
    EXPECT_THAT(
        check(R"({"hosts": ["tcp://127.0.0.1:2376"], "tls": {"ca": "/a", "cert": "/b", "key": "/c"}})", "f", &config),
        IsEmpty());
    EXPECT_THAT(config.listen.hosts, ElementsAre(*Host::parse("tcp://127.0.0.1:2376")));
    EXPECT_EQ(config.listen.key, "/c");
    auto problems =
        check(R"({"hosts": ["tcp://box:1"], "tls": {"ca": "a", "keys": "/c"}, "plain_loopback": 1})", "f", &config);
    ASSERT_EQ(problems.size(), 4u);
    EXPECT_THAT(problems[0], HasSubstr("must be tcp://ADDRESS:PORT"));
    EXPECT_THAT(problems[1], HasSubstr("must be an absolute path"));
    EXPECT_THAT(problems[2], HasSubstr("keys"));
    EXPECT_THAT(problems[3], HasSubstr("plain_loopback"));
}

}  // namespace
}  // namespace gantry::config
