#include "core/store/members.hpp"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <vector>

using namespace gantry;
using namespace gantry::store;

TEST(Members, holds_only_what_the_type_is_written_as) {
    EXPECT_TRUE(holds<int>(Json(5)));
    EXPECT_FALSE(holds<int>(Json(true)));
    EXPECT_FALSE(holds<int>(Json(5.0)));
    EXPECT_FALSE(holds<int>(Json(std::int64_t{1} << 40)));
    EXPECT_FALSE(holds<std::uint16_t>(Json(-1)));
    EXPECT_FALSE(holds<std::uint16_t>(Json(65536)));
    EXPECT_FALSE(holds<std::int64_t>(Json(std::uint64_t{1} << 63)));
    EXPECT_FALSE(holds<bool>(Json(1)));
    EXPECT_FALSE(holds<bool>(Json(nullptr)));
    EXPECT_FALSE(holds<std::string>(Json(nullptr)));
    EXPECT_TRUE(holds<std::vector<std::string>>(Json::array({"a", "b"})));
    EXPECT_FALSE(holds<std::vector<std::string>>(Json::array({"a", nullptr})));
    EXPECT_FALSE(holds<std::set<std::string>>(Json::object()));
    EXPECT_TRUE((holds<std::map<std::string, std::string>>(Json{{"a", "b"}})));
    EXPECT_FALSE((holds<std::map<std::string, std::string>>(Json{{"a", 1}})));
    EXPECT_FALSE((holds<std::map<std::string, std::string>>(Json::array())));
}

TEST(Members, names_the_first_that_is_wrong_and_leaves_its_value) {
    const Json body{{"name", 5}, {"size", "x"}, {"labels", Json::array()}};
    std::string name = "before";
    int size = 7;
    Json labels;
    auto read = Members(body).required("name", name).required("size", size).object("labels", labels).result();
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code, Code::corrupt);
    EXPECT_EQ(read.error().text, "its record's \"name\" cannot be 5");
    EXPECT_EQ(name, "before");
    EXPECT_EQ(size, 7);
}

TEST(Members, absent_is_damage_unless_the_member_is_optional) {
    const Json body{{"name", "web"}};
    std::string name, other = "default";
    EXPECT_TRUE(Members(body).required("name", name).optional("other", other).result());
    EXPECT_EQ(name, "web");
    EXPECT_EQ(other, "default");
    EXPECT_EQ(Members(body).required("other", other).result().error().text, "its record has no \"other\"");
    EXPECT_FALSE(Members(Json{{"other", nullptr}}).optional("other", other).result());
}

TEST(Members, a_body_that_is_no_object_has_none) {
    std::string name;
    for (const Json& body : {Json(), Json(5), Json("x"), Json::array(), Json::array({"name"})}) {
        EXPECT_FALSE(Members(body).optional("name", name).result()) << body;
        EXPECT_FALSE(Members(body).required("name", name).result()) << body;
    }
}

TEST(Members, a_long_value_is_not_shown) {
    std::string name;
    const Json body{{"name", Json::array({std::string(5000, 'x')})}};
    EXPECT_EQ(Members(body).required("name", name).result().error().text,
              "its record's \"name\" cannot be what it is: array");
}
