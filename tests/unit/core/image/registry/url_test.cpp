#include "core/image/registry/url.hpp"

#include <gtest/gtest.h>

namespace gantry::image::registry {
namespace {

TEST(RegistryUrl, IsTakenApart) {
    auto url = parse_url("https://Registry.Example/v2/a?b=c");
    ASSERT_TRUE(url);
    EXPECT_EQ(url->scheme, "https");
    EXPECT_EQ(url->host, "registry.example");
    EXPECT_EQ(url->port, 443);
    EXPECT_EQ(url->target, "/v2/a?b=c");
    EXPECT_EQ(url->origin(), "https://registry.example:443");
    EXPECT_EQ(url->authority(), "registry.example");
    EXPECT_EQ(parse_url("http://localhost:5000/")->authority(), "localhost:5000");
    EXPECT_EQ(parse_url("http://[::1]:5000/")->host, "[::1]");
}

TEST(RegistryUrl, RelativeOnesAreResolved) {
    const Url base = *parse_url("https://a.example:5000/v2/x/blobs/y");
    EXPECT_EQ(parse_url("/upload/1?s=2", &base)->text(), "https://a.example:5000/upload/1?s=2");
    EXPECT_EQ(parse_url("//b.example/z", &base)->text(), "https://b.example:443/z");
    EXPECT_EQ(parse_url("http://b.example/z", &base)->scheme, "http");
}

TEST(RegistryUrl, OthersAreRefused) {
    const Url base = *parse_url("https://a.example/");
    for (const char* text :
         {"file:///etc/passwd", "ftp://a/b", "gopher://a/", "https://user:secret@host/", "https://user@host/",
          "https://@host/", "javascript:alert(1)", "https://a.example/x\r\nHost: b", "https://a.example\\@b.example/"})
        EXPECT_FALSE(parse_url(text, &base)) << text;
    EXPECT_FALSE(parse_url("/relative"));
    EXPECT_FALSE(parse_url("https://a.example/" + std::string(10'000, 'x')));
}

TEST(RegistryUrl, QueriesAreEscaped) {
    Url url = *parse_url("https://a.example/token");
    add_query(url, "service", "a b&c=d");
    add_query(url, "scope", "repository:x:pull");
    EXPECT_EQ(url.target, "/token?service=a%20b%26c%3dd&scope=repository%3ax%3apull");
}

TEST(RegistryUrl, LocalAddressesAreKnownInEveryForm) {
    for (const char* address : {"127.0.0.1", "127.255.0.9", "::1", "::ffff:127.0.0.1"})
        EXPECT_TRUE(is_loopback(address)) << address;
    for (const char* address : {"128.0.0.1", "10.0.0.1", "::2", "localhost", ""})
        EXPECT_FALSE(is_loopback(address)) << address;
    for (const char* address : {"169.254.169.254", "::ffff:169.254.169.254", "fe80::1", "0.0.0.0", "::"})
        EXPECT_TRUE(is_link_local(address)) << address;
    EXPECT_FALSE(is_link_local("170.254.1.1"));
}

}  // namespace
}  // namespace gantry::image::registry
