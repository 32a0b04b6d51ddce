#include "core/build/source_auth.hpp"

#include <gtest/gtest.h>

#include <map>

namespace gantry::build {
namespace {

AskSecret having(std::map<std::string, std::string> secrets) {
    return [secrets](const std::string& id) -> Result<std::optional<std::string>> {
        auto found = secrets.find(id);
        return found == secrets.end() ? std::nullopt : std::optional(found->second);
    };
}

std::string git(const std::string& url, std::map<std::string, std::string> secrets) {
    auto header = git_authorization(url, having(std::move(secrets)));
    return header ? *header : "error: " + header.error().text;
}

std::string http(const std::string& url, std::map<std::string, std::string> secrets) {
    auto header = http_authorization(url, having(std::move(secrets)));
    return header ? *header : "error: " + header.error().text;
}

TEST(SourceAuth, origins) {
    EXPECT_EQ(origin_of("https://Host.Example/a/b.git"), "https://host.example");
    EXPECT_EQ(origin_of("http://user:pass@host:8080/a@b"), "http://host:8080");
    EXPECT_EQ(origin_of("https://host?x=/y"), "https://host");
    EXPECT_EQ(origin_of("https://host/@evil/x"), "https://host");
    for (const char* none : {"ssh://git@host/a", "git@host:a/b", "https://", "ftp://host/", ""})
        EXPECT_EQ(origin_of(none), "") << none;
}

TEST(SourceAuth, git_has_tokens_and_headers) {
    const std::string url = "https://host/a.git";
    EXPECT_EQ(git(url, {}), "");
    EXPECT_EQ(git(url, {{"GIT_AUTH_TOKEN", "t0ken\n"}}), "Basic eC1hY2Nlc3MtdG9rZW46dDBrZW4=");
    EXPECT_EQ(git(url, {{"GIT_AUTH_TOKEN", "t"}, {"GIT_AUTH_HEADER", "Bearer x"}}), "Bearer x");
    EXPECT_EQ(git(url, {{"GIT_AUTH_HEADER", "all"}, {"GIT_AUTH_HEADER.host", "own"}}), "own");
    EXPECT_EQ(git(url, {{"GIT_AUTH_HEADER.other", "theirs"}}), "");
    EXPECT_EQ(git("ssh://git@host/a.git", {{"GIT_AUTH_HEADER", "x"}}), "");
}

TEST(SourceAuth, downloads_have_those_of_their_host) {
    EXPECT_EQ(http("https://host:1/f", {{"HTTP_AUTH_TOKEN_host:1", "t"}}), "Bearer t");
    EXPECT_EQ(http("https://host/f", {{"HTTP_AUTH_HEADER_host", "Basic x"}, {"HTTP_AUTH_TOKEN_host", "t"}}), "Basic x");
    EXPECT_EQ(http("https://host/f", {{"HTTP_AUTH_TOKEN_other", "t"}, {"GIT_AUTH_TOKEN", "t"}}), "");
}

TEST(SourceAuth, a_secret_that_is_no_line_is_refused) {
    for (const std::string& bad : {std::string(), std::string(" \n"), std::string("a\r\nX-Other: b"),
                                   std::string("a\0b", 3), std::string(20000, 'x')})
        EXPECT_NE(http("https://host/f", {{"HTTP_AUTH_TOKEN_host", bad}}).find("want one line"), std::string::npos);
}

}  // namespace
}  // namespace gantry::build
