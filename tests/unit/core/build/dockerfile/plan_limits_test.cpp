// What a hostile Dockerfile or image may cost.
#include <ctime>

#include "core/build/dockerfile/limits.hpp"
#include "tests/unit/core/build/dockerfile/plan_fixture.hpp"

namespace gantry::build::dockerfile {
namespace {

std::string repeat(std::string_view text, std::size_t times) {
    std::string all;
    for (std::size_t i = 0; i < times; ++i) all += text;
    return all;
}

}  // namespace

TEST_F(PlanTest, values_that_double_stop_at_the_limit) {
    EXPECT_EQ(error("FROM scratch\nENV a=0123456789abcdef\n" + repeat("ENV a=$a$a\n", 40)),
              "Dockerfile:16: an expanded value is longer than 131072 bytes");
    EXPECT_EQ(error("ARG a=0123456789abcdef\n" + repeat("ARG a=$a$a\n", 40) + "FROM scratch"),
              "Dockerfile:15: an expanded value is longer than 131072 bytes");
}

TEST_F(PlanTest, many_long_variables_stop_at_the_limit) {
    std::string text = "FROM scratch\nENV a=" + std::string(100'000, 'a') + "\n";
    for (int i = 0; i < 20; ++i) text += "ENV b" + std::to_string(i) + "=$a\n";
    EXPECT_EQ(error(text), "Dockerfile:12: all variables of a stage together have more than 1048576 bytes");
}

TEST_F(PlanTest, a_large_environment_of_many_steps_stops_at_the_limit) {
    std::string text = "FROM scratch\nENV a=" + std::string(100'000, 'a') + "\n" + repeat("RUN x\n", 5'000);
    auto graph = try_plan(text);
    ASSERT_FALSE(graph);
    EXPECT_EQ(graph.error().code, Code::exhausted);
    EXPECT_TRUE(graph.error().text.ends_with("the build plan is larger than 67108864 bytes")) << graph.error().text;
}

TEST_F(PlanTest, long_histories_in_a_chain_of_stages_stop_at_the_limit) {
    std::string text = "FROM scratch AS s0\n" + repeat("ENV a=1\n", 3'000);
    for (int i = 1; i < 900; ++i) text += "FROM s" + std::to_string(i - 1) + " AS s" + std::to_string(i) + "\n";
    auto graph = try_plan(text);
    ASSERT_FALSE(graph);
    EXPECT_TRUE(graph.error().text.ends_with("the build plan is larger than 67108864 bytes")) << graph.error().text;
}

TEST_F(PlanTest, stages_and_triggers_are_counted) {
    EXPECT_EQ(error(repeat("FROM scratch\n", 1'001)), "Dockerfile:1001: there are more than 1000 stages");
    Json triggers = Json::array();
    for (int i = 0; i < 10'001; ++i) triggers.push_back("ENV a=1");
    image("many", Json{{"OnBuild", triggers}}.dump());
    EXPECT_EQ(error("FROM many"),
              "Dockerfile:1: there are more than 10000 instructions with the triggers of base images");
    std::string text = "FROM scratch AS s0\n";
    for (int i = 1; i < 1'000; ++i) text += "FROM s" + std::to_string(i - 1) + " AS s" + std::to_string(i) + "\n";
    plan(text);
}

TEST_F(PlanTest, nothing_takes_long) {
    const std::clock_t start = std::clock();  // of the processor: others may be at work, too
    std::string unset = "FROM scratch\n";
    for (int i = 0; i < 9'000; ++i) unset += "ENV e" + std::to_string(i) + "=$x" + std::to_string(i) + "$y$z\n";
    EXPECT_LE(plan(unset).warnings.size(), kMaxWarnings);
    EXPECT_FALSE(try_plan("FROM scratch\nENV a=" + repeat("${b:-", 40'000)));
    EXPECT_FALSE(
        try_plan("FROM scratch\nENV a=" + repeat("a", 100'000) + "\n" + repeat("ENV b=${a//*a*b*a*b/x}\n", 1'000)));
    EXPECT_FALSE(try_plan("FROM scratch\n" + repeat("EXPOSE 1-65535\n", 5'000)));
    EXPECT_FALSE(try_plan("FROM scratch\nCMD " + repeat("[", 200'000)).value().warnings.empty());
    EXPECT_TRUE(try_plan("FROM scratch\nCOPY " + repeat("<<a ", 1'000) + " /d/\n" + repeat("a\n", 1'000)));
    EXPECT_LT(std::clock() - start, 30 * CLOCKS_PER_SEC);
}

}  // namespace gantry::build::dockerfile
