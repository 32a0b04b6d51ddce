#include <gtest/gtest.h>

#include "core/daemon/http/http.hpp"

using namespace gantry;
using namespace gantry::http;

namespace {

Request request_with(std::string body, std::string type = "application/json") {
    Request request;
    request.body = std::move(body);
    if (!type.empty()) request.headers["content-type"] = std::move(type);
    return request;
}

}  // namespace

TEST(RequestJson, reads_an_object_and_takes_nothing_for_an_empty_one) {
    EXPECT_EQ(*request_with("{\"Image\":\"a\",\"Cmd\":[\"b\",{\"c\":{}}]}").json(),
              Json({{"Image", "a"}, {"Cmd", {"b", {{"c", Json::object()}}}}}));
    EXPECT_EQ(*request_with("").json(), Json::object());
    EXPECT_EQ(*request_with("  \n", "").json(), Json::object());
    EXPECT_TRUE(request_with("{}", "application/json; charset=utf-8").json());
    EXPECT_TRUE(request_with("{}", "Application/JSON").json());
}

TEST(RequestJson, refuses_another_content_type_in_the_words_of_docker) {
    EXPECT_EQ(request_with("{}", "text/plain").json().error().text,
              "unsupported Content-Type header (text/plain): must be 'application/json'");
    EXPECT_EQ(request_with("{}", "").json().error().text, "malformed Content-Type header (): mime: no media type");
}

TEST(RequestJson, refuses_what_is_not_one_sound_object) {
    for (const char* body :
         {"[1]", "1", "null", "{", "{}x", "{\"a\":1e400}", "{\"a\":NaN}", "{\"a\":\"\xff\"}", "{\"a\":1,\"a\":2}",
          "{\"x\":{\"a\":1,\"b\":{\"a\":2},\"a\":3}}", "{'a':1}", "{\"a\":\"\\ud800\"}", "{\"a\":1,}"})
        EXPECT_EQ(request_with(body).json().error().code, Code::invalid) << body;
    EXPECT_TRUE(request_with("{\"x\":{\"a\":1},\"y\":{\"a\":1},\"a\":[{\"a\":1},{\"a\":2}]}").json());
}

TEST(RequestJson, has_a_limit_in_depth_and_answers_at_once) {
    auto nested = [](int depth) {
        std::string text = "{\"a\":";
        text +=
            std::string(static_cast<std::size_t>(depth), '[') + std::string(static_cast<std::size_t>(depth), ']') + "}";
        return text;
    };
    EXPECT_TRUE(request_with(nested(63)).json());
    EXPECT_FALSE(request_with(nested(64)).json());
    EXPECT_FALSE(request_with(std::string(1'000'000, '[')).json());
    EXPECT_TRUE(request_with("{\"a\":\"" + std::string(1000, '[') + "\\\"[[\"}").json());
}

// One client's body held the engine for hours: each object looked at all those before it.
TEST(RequestJson, reads_a_body_of_many_objects) {
    std::string body = R"({"Mounts": [{})";
    for (int i = 0; i < 200'000; ++i) body += ",{}";
    auto json = request_with(body + "]}").json();
    ASSERT_TRUE(json);
    EXPECT_EQ((*json)["Mounts"].size(), 200'001u);
}

TEST(RequestQuery, reads_the_booleans_of_docker) {
    Request request;
    request.query = {{"a", "1"},    {"b", "0"},  {"c", ""},     {"d", "False"},
                     {"e", "true"}, {"f", "no"}, {"g", "none"}, {"h", "x"}};
    for (const char* name : {"a", "e", "h"}) EXPECT_TRUE(request.query_flag(name)) << name;
    for (const char* name : {"b", "c", "d", "f", "g", "absent"}) EXPECT_FALSE(request.query_flag(name)) << name;
    EXPECT_TRUE(request.query_flag("absent", true));
    EXPECT_EQ(request.query_value("h"), "x");
    EXPECT_EQ(request.query_value("absent", "y"), "y");
    request.version = "1.44";
    EXPECT_EQ(request.version_number(), 144);
}
