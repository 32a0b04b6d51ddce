#include "core/build/dockerfile/platform.hpp"

#include <gtest/gtest.h>

namespace gantry::build::dockerfile {

TEST(BuildPlatform, is_completed_and_given_its_usual_names) {
    const Platform standard{"linux", "amd64", ""};
    for (auto [text, whole] :
         std::initializer_list<std::pair<const char*, const char*>>{{"linux/amd64", "linux/amd64"},
                                                                    {"amd64", "linux/amd64"},
                                                                    {"linux", "linux/amd64"},
                                                                    {"Linux/AMD64", "linux/amd64"},
                                                                    {"x86_64", "linux/amd64"},
                                                                    {"linux/x86-64", "linux/amd64"},
                                                                    {"linux/amd64/v1", "linux/amd64"},
                                                                    {"linux/amd64/v3", "linux/amd64/v3"},
                                                                    {"aarch64", "linux/arm64"},
                                                                    {"linux/arm64/v8", "linux/arm64"},
                                                                    {"linux/arm64/8", "linux/arm64"},
                                                                    {"linux/arm", "linux/arm/v7"},
                                                                    {"linux/arm/v6", "linux/arm/v6"},
                                                                    {"armel", "linux/arm/v6"},
                                                                    {"i386", "linux/386"},
                                                                    {"linux/riscv64", "linux/riscv64"}}) {
        auto platform = parse_platform(text, standard);
        ASSERT_TRUE(platform) << text << ": " << platform.error().text;
        EXPECT_EQ(platform->text(), whole) << text;
    }
    EXPECT_TRUE(same_platform({"linux", "arm64", "v8"}, {"linux", "arm64", ""}));
    EXPECT_FALSE(same_platform({"linux", "arm", "v6"}, {"linux", "arm", "v7"}));
}

TEST(BuildPlatform, that_is_wrong_is_refused) {
    const Platform standard{"linux", "amd64", ""};
    for (auto [text, code, error] : std::initializer_list<std::tuple<const char*, Code, const char*>>{
             {"", Code::invalid, "invalid platform: found \"\", allowed is os/architecture[/variant]: linux/amd64"},
             {"arm/v6", Code::invalid,
              "invalid platform: found \"arm/v6\", allowed is os/architecture[/variant]: linux/amd64"},
             {"linux/", Code::invalid,
              "invalid platform: found \"linux/\", allowed is os/architecture[/variant]: linux/amd64"},
             {"linux/amd46", Code::invalid,
              "invalid platform: found \"linux/amd46\", allowed is os/architecture[/variant] (did you mean amd64?)"},
             {"linux/amd64/v1/x", Code::invalid,
              "invalid platform: found \"linux/amd64/v1/x\", allowed is os/architecture[/variant]: linux/amd64"},
             {"linux/arm/v 7", Code::invalid,
              "invalid platform: found \"linux/arm/v 7\", allowed is os/architecture[/variant]: linux/amd64"},
             {"windows/amd64", Code::unsupported,
              "the platform \"windows/amd64\" is not supported: images are for linux"}}) {
        auto platform = parse_platform(text, standard);
        ASSERT_FALSE(platform) << text;
        EXPECT_EQ(platform.error().text, error);
        EXPECT_EQ(platform.error().code, code);
    }
}

}  // namespace gantry::build::dockerfile
