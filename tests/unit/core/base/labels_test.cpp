#include "core/base/labels.hpp"

#include <gtest/gtest.h>

namespace gantry {
namespace {

TEST(Labels, a_key_must_be_there_and_a_value_must_be_its) {
    const Json json{{"a", "1"}, {"b", ""}, {"c", "x=y"}};
    const std::map<std::string, std::string> map{{"a", "1"}, {"b", ""}, {"c", "x=y"}};
    for (const char* has : {"a", "a=1", "b", "b=", "c=x=y"}) {
        EXPECT_TRUE(has_label(json, has)) << has;
        EXPECT_TRUE(has_label(map, has)) << has;
    }
    for (const char* lacks : {"d", "a=", "a=2", "A", "", "=1", "c=x"}) {
        EXPECT_FALSE(has_label(json, lacks)) << lacks;
        EXPECT_FALSE(has_label(map, lacks)) << lacks;
    }
}

TEST(Labels, of_what_is_no_object_are_none) {
    EXPECT_FALSE(has_label(Json(), "a"));
    EXPECT_FALSE(has_label(Json::array({"a"}), "a"));
}

}  // namespace
}  // namespace gantry
