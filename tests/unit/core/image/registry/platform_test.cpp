#include "core/image/registry/platform.hpp"

#include <gtest/gtest.h>

#include "core/image/registry/manifest.hpp"

namespace gantry::image::registry {
namespace {

TEST(Platforms, AreReadInEveryForm) {
    EXPECT_EQ(parse_platform("linux/amd64")->text(), "linux/amd64");
    EXPECT_EQ(parse_platform("linux/x86_64")->text(), "linux/amd64");
    EXPECT_EQ(parse_platform("aarch64")->text(), "linux/arm64");
    EXPECT_EQ(parse_platform("linux/arm64/v8")->text(), "linux/arm64");
    EXPECT_EQ(parse_platform("linux/arm/v7")->text(), "linux/arm");
    EXPECT_EQ(parse_platform("linux/arm/v6")->text(), "linux/arm/v6");
    EXPECT_EQ(parse_platform("armel")->text(), "linux/arm/v6");
    EXPECT_EQ(parse_platform("linux")->text(), host_platform().text());
    for (const char* text : {"", "a/b/c/d", "linux/", "linux/../x", "linux/a b"})
        EXPECT_FALSE(parse_platform(text)) << text;
}

TEST(Platforms, LowerVariantsRunOnHigherOnes) {
    auto fit = [](const char* wanted, const char* offered) {
        return fitness(*parse_platform(wanted), *parse_platform(offered));
    };
    EXPECT_GT(fit("linux/arm/v7", "linux/arm/v7"), fit("linux/arm/v7", "linux/arm/v6"));
    EXPECT_GT(fit("linux/arm/v7", "linux/arm/v6"), fit("linux/arm/v7", "linux/arm/v5"));
    EXPECT_GT(fit("linux/arm/v7", "linux/arm/v5"), 0);
    EXPECT_EQ(fit("linux/arm/v6", "linux/arm/v7"), 0);
    EXPECT_EQ(fit("linux/amd64", "linux/amd64/v3"), 0);
    EXPECT_GT(fit("linux/amd64/v3", "linux/amd64"), 0);
    EXPECT_EQ(fit("linux/amd64", "linux/arm64"), 0);
    EXPECT_EQ(fit("linux/amd64", "windows/amd64"), 0);
}

Descriptor entry(const std::string& name, const char* platform, bool attestation = false) {
    Descriptor one{std::string(media::manifest), name, 1, {}, attestation};
    if (platform) one.platform = *parse_platform(platform);
    return one;
}

TEST(Platforms, OfAnIndexTheBestEntryIsFirst) {
    const std::vector<Descriptor> entries = {entry("v5", "linux/arm/v5"),         entry("none", nullptr),
                                             entry("v7", "linux/arm/v7"),         entry("amd64", "linux/amd64"),
                                             entry("note", "linux/arm/v7", true), entry("v6", "linux/arm/v6")};
    std::vector<std::string> names;
    for (const Descriptor& one : choose(entries, *parse_platform("linux/arm/v7"))) names.push_back(one.digest);
    EXPECT_EQ(names, (std::vector<std::string>{"v7", "v6", "v5", "none"}));
}

}  // namespace
}  // namespace gantry::image::registry
