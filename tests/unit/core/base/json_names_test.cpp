#include "core/base/json_names.hpp"

#include <gtest/gtest.h>

namespace gantry {

TEST(JsonNames, finds_the_first_name_that_stands_twice) {
    EXPECT_EQ(read_json_names(R"({"b": {"a": 1, "c": [{"a": 1}], "a": 2}, "b": 3})", 64).twice, "a");
    EXPECT_EQ(read_json_names(R"([{"a": 1, "A": 2}, {"a": 1}, "a", "a"])", 64).twice, std::nullopt);
    EXPECT_EQ(read_json_names(R"({"": 1, "\u0000": 2, "\u0061": 3, "a": 4})", 64).twice, "a");
}

TEST(JsonNames, asks_where_names_differ_in_case) {
    auto labels = [](std::string_view holder) { return holder == "labels"; };
    EXPECT_EQ(read_json_names(R"({"labels": {"a": 1, "A": 2}, "x": {"b": 1, "B": 2}})", 64, labels).twice, "B");
    EXPECT_EQ(read_json_names(R"({"labels": [{"a": 1, "A": 2}]})", 64, labels).twice, "A") << "not the member's value";
    EXPECT_EQ(read_json_names(R"({"labels": {"x": {"a": 1, "A": 2}}})", 64, labels).twice, "A");
    EXPECT_EQ(read_json_names(R"({"labels": {"x": 1}, "y": {"a": 1, "A": 2}})", 64, labels).twice, "A");
}

TEST(JsonNames, counts_the_levels) {
    EXPECT_FALSE(read_json_names(R"([[{"a": []}]])", 3).too_deep);
    EXPECT_TRUE(read_json_names(R"([[{"a": [{}]}]])", 3).too_deep);
    EXPECT_FALSE(read_json_names("1", 0).too_deep);
}

TEST(JsonNames, says_nothing_of_what_is_not_json) {
    for (std::string_view text : {"", "{", "}", "[1,", R"({"a": 1, "a": 2)", R"({"a" 1})", "[1e999]", "\"\xff\""})
        EXPECT_FALSE(read_json_names(text, 64).too_deep) << text;
    EXPECT_EQ(read_json_names(R"({"a": nul, "a": 2})", 64).twice, std::nullopt);
}

// With time that grows as the square of the length this would not end while anybody waits.
TEST(JsonNames, reads_many_objects_in_one_array_or_object) {
    std::string array = "[{}", object = "{\"\": {}";
    for (int i = 0; i < 200'000; ++i) {
        array += ",{}";
        object += ",\"" + std::to_string(i) + "\": {}";
    }
    EXPECT_EQ(read_json_names(array + "]", 64).twice, std::nullopt);
    EXPECT_EQ(read_json_names(object + ",\"7\":0}", 64).twice, "7");
}

}  // namespace gantry
