#include "core/image/registry/credentials.hpp"

#include <gtest/gtest.h>

namespace gantry::image::registry {
namespace {

TEST(Base64, ThereAndBack) {
    EXPECT_EQ(encode_base64(""), "");
    EXPECT_EQ(encode_base64("f"), "Zg==");
    EXPECT_EQ(encode_base64("fo"), "Zm8=");
    EXPECT_EQ(encode_base64("foo"), "Zm9v");
    for (int length = 0; length < 70; ++length) {
        std::string bytes;
        for (int i = 0; i < length; ++i) bytes += static_cast<char>(i * 37 + 200);
        EXPECT_EQ(*decode_base64(encode_base64(bytes)), bytes);
    }
    EXPECT_EQ(*decode_base64("-_-_"), *decode_base64("+/+/"));
    EXPECT_FALSE(decode_base64("a b"));
}

TEST(RegistryAuth, OfClients) {
    auto parse = [](const std::string& json) { return parse_registry_auth(encode_base64(json)); };
    EXPECT_TRUE(parse_registry_auth("")->empty());
    EXPECT_TRUE(parse("{}")->empty());
    EXPECT_TRUE(parse("null")->empty());
    auto user = parse(R"({"username":"u","password":"p:q","email":"x","serveraddress":"host"})");
    ASSERT_TRUE(user);
    EXPECT_EQ(user->user, "u");
    EXPECT_EQ(user->password, "p:q");
    auto both = parse(R"({"auth":")" + encode_base64("u:p:q") + R"("})");
    ASSERT_TRUE(both);
    EXPECT_EQ(both->password, "p:q");
    EXPECT_EQ(parse(R"({"identitytoken":"t"})")->identity_token, "t");
    EXPECT_EQ(parse(R"({"registrytoken":"t"})")->registry_token, "t");
}

TEST(RegistryAuth, WhatIsNoneIsRefused) {
    auto parse = [](const std::string& json) { return parse_registry_auth(encode_base64(json)); };
    EXPECT_FALSE(parse_registry_auth("!!"));
    for (const char* json : {"[]", "7", "{", R"({"username":7})", R"({"password":"a\r\nX: y"})",
                             R"({"registrytoken":"a\u0000b"})", R"({"auth":"%%"})"})
        EXPECT_FALSE(parse(json)) << json;
}

}  // namespace
}  // namespace gantry::image::registry
