#include "core/driver/options.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gantry::driver {
namespace {

using ::testing::HasSubstr;

const Json schema = Json::parse(R"({
    "name": {"type": "string", "default": "x"}, "mtu": {"type": "integer", "minimum": 68, "maximum": 9000, "default": 1500},
    "fast": {"type": "boolean", "default": true}, "quota": {"type": "size", "minimum": "1m"}, "wait": {"type": "duration", "default": "10s"},
    "device": {"type": "path"}, "mode": {"type": "string", "values": ["a", "b"]}, "password": {"type": "integer", "secret": true},
    "label.*": {"type": "string"}})");

Result<Json> check(const char* given) { return validate_options(schema, Json::parse(given), "driver \"x\""); }
std::string refusal(const char* given) {
    auto result = check(given);
    return result ? "accepted: " + result->dump() : result.error().text;
}

TEST(Options, defaults_are_filled_in_and_typed) {
    auto result = check("{}");
    ASSERT_TRUE(result);
    EXPECT_EQ(*result, (Json{{"name", "x"}, {"mtu", 1500}, {"fast", true}, {"wait", 10'000'000'000}}));
}

TEST(Options, text_becomes_the_type_that_the_schema_names) {
    auto result =
        check(R"({"mtu": "9000", "fast": "off", "quota": "64m", "wait": "1m30s", "device": "/dev/x", "label.a": 7})");
    ASSERT_TRUE(result) << result.error().text;
    EXPECT_EQ((*result)["mtu"], 9000);
    EXPECT_EQ((*result)["fast"], false);
    EXPECT_EQ((*result)["quota"], 64 << 20);
    EXPECT_EQ((*result)["wait"], 90'000'000'000);
    EXPECT_EQ((*result)["label.a"], "7");
}

TEST(Options, a_value_of_another_type_is_refused) {
    EXPECT_EQ(refusal(R"({"mtu": "fast"})"), "driver \"x\": option \"mtu\" is \"fast\"; an integer is needed");
    EXPECT_EQ(refusal(R"({"mtu": 1.5})"), "driver \"x\": option \"mtu\" is 1.5; an integer is needed");
    EXPECT_EQ(refusal(R"({"mtu": 18446744073709551615})"),
              "driver \"x\": option \"mtu\" is 18446744073709551615; an integer is needed");
    EXPECT_THAT(refusal(R"({"fast": "maybe"})"), HasSubstr("true or false is needed"));
    EXPECT_THAT(refusal(R"({"quota": "big"})"), HasSubstr("a size such as"));
    EXPECT_THAT(refusal(R"({"wait": "soon"})"), HasSubstr("a duration such as"));
    EXPECT_THAT(refusal(R"({"device": "dev/x"})"), HasSubstr("an absolute path is needed"));
    EXPECT_THAT(refusal(R"({"name": {"a": 1}})"), HasSubstr("a string is needed"));
    EXPECT_THAT(refusal(R"({"name": "a\u0000b"})"), HasSubstr("a string is needed"));
}

TEST(Options, a_value_out_of_range_is_refused) {
    EXPECT_EQ(refusal(R"({"mtu": 67})"), "driver \"x\": option \"mtu\" is 67; at least 68 is needed");
    EXPECT_EQ(refusal(R"({"mtu": "9001"})"), "driver \"x\": option \"mtu\" is \"9001\"; at most 9000 is needed");
    EXPECT_THAT(refusal(R"({"quota": "1k"})"), HasSubstr("at least \"1m\" is needed"));
    EXPECT_EQ(refusal(R"({"mode": "c"})"), "driver \"x\": option \"mode\" is \"c\"; one of \"a\", \"b\" is needed");
}

TEST(Options, an_unknown_option_lists_the_known_ones_and_the_nearest) {
    EXPECT_THAT(refusal(R"({"mut": 1})"),
                HasSubstr("unknown option \"mut\"; known: \"device\", \"fast\", \"label.*\""));
    EXPECT_THAT(refusal(R"({"mut": 1})"), HasSubstr("did you mean \"mtu\"?"));
    EXPECT_THAT(refusal(R"({"label.": "1"})"), HasSubstr("unknown option"));
    EXPECT_EQ(validate_options(Json::object(), {{"a", 1}}, "volume \"v\"").error().text,
              "volume \"v\": unknown option \"a\"; it has no options");
}

TEST(Options, a_secret_is_not_repeated_in_the_message) {
    EXPECT_EQ(refusal(R"({"password": "hunter2"})"),
              "driver \"x\": option \"password\" is not valid; an integer is needed");
}

TEST(Options, options_that_are_no_object_are_refused) {
    EXPECT_THAT(refusal("[1]"), HasSubstr("not an object"));
    EXPECT_TRUE(check("null"));
}

TEST(Options, a_schema_is_checked_itself) {
    EXPECT_TRUE(check_schema(schema, "it"));
    EXPECT_FALSE(check_schema(Json::array(), "it"));
    EXPECT_FALSE(check_schema({{"a", 1}}, "it"));
    EXPECT_FALSE(check_schema({{"a", {{"type", "integer"}, {"minimum", "x"}}}}, "it"));
    EXPECT_FALSE(check_schema({{"a", {{"type", "string"}, {"values", "x"}}}}, "it"));
}

}  // namespace
}  // namespace gantry::driver
