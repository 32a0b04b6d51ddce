#include "core/image/registry/auth.hpp"

#include <gtest/gtest.h>

namespace gantry::image::registry {
namespace {

TEST(Sites, AreRegistrableDomains) {
    EXPECT_TRUE(same_site("auth.example.com", "registry.example.com"));
    EXPECT_TRUE(same_site("example.com", "registry.example.com"));
    EXPECT_TRUE(same_site("10.0.0.1", "10.0.0.1"));
    EXPECT_FALSE(same_site("good.co.uk", "evil.co.uk"));
    EXPECT_FALSE(same_site("example.com", "example.com.evil.org"));
    EXPECT_FALSE(same_site("10.0.0.1", "11.0.0.1"));
    EXPECT_FALSE(same_site("localhost", "127.0.0.1"));
}

Standing registry(const char* url, bool local = false) { return {*parse_url(url), local, {}}; }

TEST(TrustFor, PlainHttpOnlyWhereTheRegistryItselfIsPlain) {
    EXPECT_FALSE(trust_for({}, *parse_url("http://a.example/"), registry("https://r.example")));
    EXPECT_TRUE(trust_for({}, *parse_url("http://a.example/"), registry("http://r.example")));
    EXPECT_TRUE(trust_for({}, *parse_url("https://a.example/"), registry("https://r.example")));
}

TEST(TrustFor, LocalAddressesOnlyWhereTheRegistryItselfIsLocal) {
    for (const char* url : {"https://127.0.0.1/", "https://localhost/", "https://169.254.169.254/", "https://[::1]/",
                            "https://0.0.0.0/", "https://[::ffff:127.0.0.1]/"}) {
        EXPECT_FALSE(trust_for({}, *parse_url(url), registry("https://r.example"))) << url;
        EXPECT_TRUE(trust_for({}, *parse_url(url), registry("https://127.0.0.1", true))) << url;
    }
    EXPECT_EQ(trust_for({}, *parse_url("https://a.example/"), registry("https://r.example"))->reach, Reach::not_local);
}

TEST(TrustFor, EachHostHasItsOwnSettings) {
    Settings settings;
    settings.certificate_directories.clear();
    settings.hosts["r.example"].insecure = true;
    EXPECT_FALSE(trust_for(settings, *parse_url("https://r.example/"), registry("https://r.example"))->verify);
    EXPECT_TRUE(trust_for(settings, *parse_url("https://a.example/"), registry("https://r.example"))->verify);
    EXPECT_TRUE(trust_for(settings, *parse_url("https://r.example:444/"), registry("https://r.example"))->verify);
}

}  // namespace
}  // namespace gantry::image::registry
