#include "core/image/registry/challenge.hpp"

#include <gtest/gtest.h>

namespace gantry::image::registry {
namespace {

TEST(Challenges, Bearer) {
    auto all =
        parse_challenges(R"(Bearer realm="https://auth.example/token",service="registry",scope="a:b:pull,push")");
    ASSERT_EQ(all.size(), 1u);
    EXPECT_EQ(all[0].scheme, "bearer");
    EXPECT_EQ(all[0].parameters["realm"], "https://auth.example/token");
    EXPECT_EQ(all[0].parameters["scope"], "a:b:pull,push");
}

TEST(Challenges, SeveralInOneHeader) {
    auto all = parse_challenges(R"(Negotiate, BASIC Realm = "x" , charset=utf-8,, Bearer realm=y)");
    ASSERT_EQ(all.size(), 3u);
    EXPECT_EQ(all[0].scheme, "negotiate");
    EXPECT_EQ(all[1].scheme, "basic");
    EXPECT_EQ(all[1].parameters["realm"], "x");
    EXPECT_EQ(all[1].parameters["charset"], "utf-8");
    EXPECT_EQ(all[2].parameters["realm"], "y");
}

TEST(Challenges, QuotedStrings) {
    auto all = parse_challenges(R"(Bearer realm="a\"b, service=\"evil\" c\\d",service="s")");
    ASSERT_EQ(all.size(), 1u);
    EXPECT_EQ(all[0].parameters["realm"], R"(a"b, service="evil" c\d)");
    EXPECT_EQ(all[0].parameters["service"], "s");
}

TEST(Challenges, OfAParameterThatStandsTwiceNoneCounts) {
    auto all = parse_challenges(R"(Bearer realm="https://good.example",REALM="https://evil.example",service=s)");
    ASSERT_EQ(all.size(), 1u);
    EXPECT_FALSE(all[0].parameters.contains("realm"));
    EXPECT_EQ(all[0].parameters["service"], "s");
}

TEST(Challenges, HostileText) {
    EXPECT_TRUE(parse_challenges("").empty());
    EXPECT_TRUE(parse_challenges(",,, ,").empty());
    EXPECT_TRUE(parse_challenges(R"(Bearer realm="never closed)").empty());
    EXPECT_TRUE(parse_challenges("Bearer realm=\"a\nb\"").empty());
    EXPECT_TRUE(parse_challenges(R"(Bearer realm=)").empty());
    EXPECT_TRUE(parse_challenges(R"(Bearer realm="x" service="y")").empty());
    EXPECT_TRUE(parse_challenges(R"("quoted" realm=x)").empty());
    EXPECT_TRUE(parse_challenges(R"(Bearer realm="x\)").empty());
    EXPECT_TRUE(parse_challenges("Bearer realm=\"" + std::string(20'000, 'x') + "\"").empty());
    // What came before the damage stands.
    EXPECT_EQ(parse_challenges(R"(Basic realm="a", Bearer realm="never closed)").size(), 1u);
}

}  // namespace
}  // namespace gantry::image::registry
