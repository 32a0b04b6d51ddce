#include "core/daemon/http/target.hpp"

#include <gtest/gtest.h>

using namespace gantry;
using namespace gantry::http;

TEST(Target, takes_the_version_off) {
    auto target = parse_target("/v1.47/containers/json?all=1&filters=%7B%22a%22%3A1%7D&x=a+b&empty");
    ASSERT_TRUE(target);
    EXPECT_EQ(target->path, "/containers/json");
    EXPECT_EQ(target->version, "1.47");
    EXPECT_EQ(target->query.find("filters")->second, "{\"a\":1}");
    EXPECT_EQ(target->query.find("x")->second, "a b");
    EXPECT_EQ(target->query.find("empty")->second, "");
    EXPECT_EQ(parse_target("/info")->version, "1.56");
    EXPECT_EQ(parse_target("/v1.24/info")->version, "1.24");
    EXPECT_EQ(parse_target("/v1.56/info")->version, "1.56");
}

TEST(Target, refuses_versions_in_the_words_of_docker) {
    EXPECT_EQ(parse_target("/v1.57/info").error().text,
              "client version 1.57 is too new. Maximum supported API version is 1.56");
    EXPECT_EQ(parse_target("/v1.9999/info").error().text,
              "client version 1.9999 is too new. Maximum supported API version is 1.56");
    EXPECT_EQ(parse_target("/v2.0/info").error().text,
              "client version 2.0 is too new. Maximum supported API version is 1.56");
    EXPECT_EQ(parse_target("/v0.1/info").error().text,
              "client version 0.1 is too old. Minimum supported API version is 1.24, please upgrade your client to a "
              "newer version");
    EXPECT_EQ(parse_target("/v1.23/info").error().text,
              "client version 1.23 is too old. Minimum supported API version is 1.24, please upgrade your client to a "
              "newer version");
}

TEST(Target, leaves_what_only_looks_like_a_version) {
    for (const char* path : {"/volumes", "/v1/info", "/vx.y/info", "/v1.047/info", "/v1.9999999/info", "/version"})
        EXPECT_EQ(parse_target(path)->path, path);
}

TEST(Target, refuses_paths_that_two_readers_could_read_differently) {
    for (const char* path :
         {"", "info", "http://docker/info", "*", "/a/../b", "/a/./b", "/a/%2e%2e/b", "/a%2F..%2Fb", "/a%00b", "/a%0ab",
          "/a%5cb", "/a\\b", "/a%2", "/a%zz", "/a#b", "/v1.47/..", "/x?a=%0", "/x?a=%00"})
        EXPECT_FALSE(parse_target(path)) << path;
}

TEST(Target, decodes_once) {
    EXPECT_EQ(parse_target("/volumes/a%252Fb")->path, "/volumes/a%2Fb");
    EXPECT_EQ(parse_target("/x?a=%2541")->query.find("a")->second, "%41");
}
