#include <gtest/gtest.h>

#include "core/image/registry/transport.hpp"

namespace gantry::image::registry {
namespace {

std::string proxy(const char* url, std::vector<std::string> no = {}) {
    return proxy_for({"http://plain:1", "http://secure:2", std::move(no)}, *parse_url(url));
}

TEST(Proxies, ByScheme) {
    EXPECT_EQ(proxy("http://a.example/"), "http://plain:1");
    EXPECT_EQ(proxy("https://a.example/"), "http://secure:2");
    EXPECT_EQ(proxy_for({}, *parse_url("https://a.example/")), "");
}

TEST(Proxies, LoopbackIsReachedWithout) {
    for (const char* url :
         {"http://localhost:5000/", "http://127.0.0.1:5000/", "http://127.9.9.9/", "http://[::1]:5000/"})
        EXPECT_EQ(proxy(url), "") << url;
}

TEST(Proxies, Exceptions) {
    EXPECT_EQ(proxy("http://a.example/", {"*"}), "");
    EXPECT_EQ(proxy("http://a.example/", {"example"}), "");
    EXPECT_EQ(proxy("http://a.example/", {".example"}), "");
    EXPECT_EQ(proxy("http://a.example/", {"*.example"}), "");
    EXPECT_EQ(proxy("http://a.example/", {"b.example", "A.Example "}), "");
    EXPECT_NE(proxy("http://a.example/", {"ample"}), "");
    EXPECT_NE(proxy("http://xa.example/", {"a.example"}), "");
    EXPECT_EQ(proxy("http://10.1.2.3/", {"10.0.0.0/8"}), "");
    EXPECT_NE(proxy("http://11.1.2.3/", {"10.0.0.0/8"}), "");
    EXPECT_EQ(proxy("http://[fd00::1]/", {"fd00::/8"}), "");
    EXPECT_EQ(proxy("http://a.example:5000/", {"a.example:5000"}), "");
    EXPECT_NE(proxy("http://a.example:5001/", {"a.example:5000"}), "");
    EXPECT_NE(proxy("http://a.example/", {"", "/", "10.0.0.0/99"}), "");
}

}  // namespace
}  // namespace gantry::image::registry
