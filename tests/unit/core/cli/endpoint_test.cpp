#include "core/cli/endpoint.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gantry::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string refusal(std::string_view host) {
    auto endpoint = Endpoint::parse(host);
    return endpoint ? "taken as " + endpoint->url() : endpoint.error().text;
}

TEST(Endpoint, a_socket_of_this_host_is_a_path) {
    EXPECT_EQ(Endpoint::parse("")->url(), "unix:///run/gantry/gantry.sock");
    EXPECT_EQ(Endpoint::parse("unix://")->url(), "unix:///run/gantry/gantry.sock");
    EXPECT_EQ(Endpoint::parse("unix:///a b")->path, "/a b");
    EXPECT_EQ(Endpoint::parse("/tmp/x.sock")->url(), "unix:///tmp/x.sock");
    EXPECT_FALSE(Endpoint::parse("unix:///x")->may_start);
    EXPECT_THAT(refusal("unix://x.sock"), HasSubstr("absolute path"));
}

TEST(Endpoint, a_tcp_address_has_dockers_ports) {
    EXPECT_EQ(Endpoint::parse("tcp://host")->url(), "tcp://host:2375");
    EXPECT_EQ(Endpoint::parse("tcp://host")->with_tls({true, true, "", "", ""})->url(), "tcp://host:2376");
    EXPECT_EQ(Endpoint::parse("tcp://host:99")->with_tls({true, true, "", "", ""})->url(), "tcp://host:99");
    EXPECT_EQ(Endpoint::parse("tcp://host")->with_tls({})->url(), "tcp://host:2375");
    EXPECT_EQ(Endpoint::parse("tcp://[::1]:80/")->url(), "tcp://[::1]:80");
    EXPECT_EQ(Endpoint::parse("tcp://[::1]")->host, "::1");
}

TEST(Endpoint, tls_is_for_tcp_alone) {
    for (const char* host : {"unix:///x", "ssh://h"}) {
        auto endpoint = Endpoint::parse(host)->with_tls({true, true, "", "", ""});
        ASSERT_FALSE(endpoint);
        EXPECT_THAT(endpoint.error().text, HasSubstr("TLS is for tcp:// hosts"));
    }
}

TEST(Endpoint, ssh_is_started_with_words_that_are_no_options) {
    EXPECT_THAT(Endpoint::parse("ssh://h")->ssh_command(),
                ElementsAre("ssh", "-o", "ConnectTimeout=30", "-T", "--", "h", "gantry", "system", "dial-stdio"));
    auto endpoint = Endpoint::parse("ssh://me@box.example:2222/run/x.sock");
    EXPECT_EQ(endpoint->url(), "ssh://me@box.example:2222/run/x.sock");
    EXPECT_THAT(endpoint->ssh_command(),
                ElementsAre("ssh", "-o", "ConnectTimeout=30", "-T", "-l", "me", "-p", "2222", "--", "box.example",
                            "gantry", "--host", "unix:///run/x.sock", "system", "dial-stdio"));
}

TEST(Endpoint, what_a_shell_or_ssh_would_take_for_more_than_a_name_is_refused) {
    for (const char* host : {"ssh://-oProxyCommand=id",
                             "ssh://-l@h",
                             "ssh://u;id@h",
                             "ssh://h;id",
                             "ssh://$(id)",
                             "ssh://`id`",
                             "ssh://h h",
                             "ssh://u:secret@h",
                             "ssh://h:22;id",
                             "ssh://h:0",
                             "ssh://h:65536",
                             "ssh://h:-1",
                             "ssh://h:+1",
                             "ssh://h:",
                             "ssh://",
                             "ssh://@h",
                             "ssh://h/run/x;id",
                             "ssh://h/$(id)",
                             "ssh://h/a b",
                             "ssh://h\n",
                             "ssh://a@b@c",
                             "tcp://",
                             "tcp://-h",
                             "tcp://h:x",
                             "tcp://h:1:2",
                             "tcp://u@h",
                             "tcp://h/path",
                             "tcp://[::1",
                             "tcp://[]:1",
                             "tcp://[::1]x",
                             "tcp://h;id:1"}) {
        auto endpoint = Endpoint::parse(host);
        ASSERT_FALSE(endpoint) << host << " is taken as " << endpoint->url();
        EXPECT_EQ(endpoint.error().code, Code::invalid) << host;
        EXPECT_THAT(endpoint.error().text, HasSubstr("unable to parse host ")) << host;
        EXPECT_EQ(endpoint.error().text.find('\n'), std::string::npos) << host;
    }
}

TEST(Endpoint, another_scheme_is_told_what_there_is) {
    EXPECT_THAT(refusal("nonsense://x"), HasSubstr("want unix:///path/to/socket, tcp://host[:port] or ssh://"));
    EXPECT_THAT(refusal("https://x"), HasSubstr("https:// is not supported"));
    EXPECT_EQ(Endpoint::parse("npipe:////./pipe/x").error().code, Code::unsupported);
}

}  // namespace
}  // namespace gantry::cli
