#include "core/image/strict_json.hpp"

#include <gtest/gtest.h>

namespace gantry::image {

TEST(StrictJson, takes_plain_documents) {
    EXPECT_TRUE(parse_document(R"({"a": {"b": [1, 2]}, "c": null})", "x"));
    EXPECT_TRUE(parse_document("[]", "x"));
    EXPECT_TRUE(parse_document(R"({"config": {"Labels": {"maintainer": "a", "Maintainer": "b"}}})", "x"))
        << "labels are data";
    EXPECT_TRUE(parse_document(R"([{"a": 1}, {"a": 2}])", "x"));
}

TEST(StrictJson, tells_of_it_in_one_line) {
    auto twice = parse_document(R"({"a\nb": 1, "A\nb\u001b": 2, "A\nB": 3})", "x");
    ASSERT_FALSE(twice);
    EXPECT_EQ(twice.error().text, "x: has \"A\\nB\" twice");
}

TEST(StrictJson, refuses_documents_with_two_meanings) {
    std::string deep;
    for (int i = 0; i < 100; ++i) deep += "[";
    for (const std::string& bad :
         {std::string(R"({"a": 1, "a": 2})"), std::string(R"({"layers": [], "Layers": []})"),
          std::string(R"({"x": {"config": 1, "CONFIG": 2}})"), std::string("\xEF\xBB\xBF{}"), std::string("{} {}"),
          std::string("{}x"), std::string("1"), std::string("\"text\""), std::string(), std::string("{\"a\": "),
          deep + std::string(100, ']'), "{\"a\": \"" + std::string(5u << 20, 'x') + "\"}",
          std::string(R"([{"labels": "x"}, {"A": 1, "a": 2}])"), std::string(R"({"Labels": {"a": "1", "a": "2"}})"),
          std::string("{\"a\": \"\xff\"}")})
        EXPECT_FALSE(parse_document(bad, "x")) << bad.substr(0, 60);
    EXPECT_EQ(parse_document(R"({"a": 1, "a": 2})", "index.json").error().text, "index.json: has \"a\" twice");
}

// An image with every port exposed, and one that has more than anybody needs: each took the square of its length.
TEST(StrictJson, reads_many_objects) {
    std::string text = R"({"config": {"ExposedPorts": {"0/tcp": {})";
    for (int i = 1; i < 200'000; ++i) text += ",\"" + std::to_string(i) + "/tcp\": {}";
    auto document = parse_document(text + "}}}", "x");
    ASSERT_TRUE(document);
    EXPECT_EQ((*document)["config"]["ExposedPorts"].size(), 200'000u);
}

}  // namespace gantry::image
