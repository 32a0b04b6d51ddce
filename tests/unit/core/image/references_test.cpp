#include "core/image/references.hpp"

#include <gtest/gtest.h>

namespace gantry::image {
namespace {

std::string digest() { return "sha256:" + std::string(64, 'a'); }

}  // namespace

TEST(Reference, is_completed_and_shortened_as_docker_does) {
    const std::pair<const char*, const char*> cases[] = {
        {"debian", "debian:latest"},
        {"debian:12", "debian:12"},
        {"docker.io/library/debian", "debian:latest"},
        {"index.docker.io/library/debian:1", "debian:1"},
        {"library/debian", "debian:latest"},
        {"docker.io/docker.io/x", "docker.io/docker.io/x:latest"},
        {"index.docker.io/localhost/x", "docker.io/localhost/x:latest"},
        {"docker.io/me/app", "me/app:latest"},
        {"localhost:5000/web", "localhost:5000/web:latest"},
        {"localhost/web:v1", "localhost/web:v1"},
        {"registry.example.com/a/b/c:T_a.g-1", "registry.example.com/a/b/c:T_a.g-1"},
        {"[2001:db8::1]:5000/web", "[2001:db8::1]:5000/web:latest"},
        {"a__b/c-----d.e", "a__b/c-----d.e:latest"},
        {"a/library/b", "a/library/b:latest"},
    };
    for (const auto& [given, whole] : cases) {
        auto reference = parse_reference(given);
        ASSERT_TRUE(reference) << given << ": " << reference.error().text;
        EXPECT_EQ(reference->text(), whole);
    }
    auto pinned = parse_reference("web:1@" + digest());
    ASSERT_TRUE(pinned);
    EXPECT_EQ(pinned->tag, "1");
    EXPECT_EQ(pinned->digest, digest());
    EXPECT_EQ(parse_reference("web@" + digest())->tag, "");
}

TEST(Reference, tells_in_one_line_what_it_refuses) {
    EXPECT_EQ(parse_reference("a@b\n\x1b[2J").error().text,
              R"(invalid reference format: "b\n\u001b[2J" is not a sha256 digest)");
}

TEST(Reference, refuses_what_docker_refuses) {
    for (const std::string& bad : {std::string(),
                                   std::string("a:"),
                                   std::string(":a"),
                                   std::string("a//b"),
                                   std::string("/a"),
                                   std::string("a/"),
                                   std::string("a..b"),
                                   std::string("a___b"),
                                   std::string("-a"),
                                   std::string("a-"),
                                   std::string("a b"),
                                   std::string("a:b c"),
                                   std::string("a:.b"),
                                   std::string("a@sha256:abc"),
                                   "a@sha512:" + std::string(64, 'a'),
                                   "a@sha256:" + std::string(64, 'A'),
                                   "a@sha256:" + std::string(65, 'a'),
                                   std::string("../a"),
                                   std::string("a/../b"),
                                   std::string("host:99999999/a"),
                                   std::string("a:b:c"),
                                   "a:" + std::string(129, 't'),
                                   std::string(300, 'n'),
                                   std::string(64, 'a'),
                                   "docker.io/" + std::string(64, '0'),
                                   std::string("a\0b", 3),
                                   std::string("x@y@z")}) {
        auto reference = parse_reference(bad);
        EXPECT_FALSE(reference) << bad;
        EXPECT_EQ(reference ? Code::internal : reference.error().code, Code::invalid);
    }
    EXPECT_EQ(parse_reference("Web").error().text, "invalid reference format: repository name must be lowercase");
    EXPECT_EQ(parse_reference("a:b c").error().text, "invalid reference format");
}

}  // namespace gantry::image
