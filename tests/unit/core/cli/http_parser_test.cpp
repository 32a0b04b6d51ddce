#include <gtest/gtest.h>

#include "core/cli/http_parser.hpp"

namespace gantry::cli {
namespace {

TEST(ResponseParser, takes_an_answer_byte_by_byte) {
    ResponseParser parser;
    std::string body;
    for (char c : std::string("HTTP/1.1 200 OK\r\nContent-Type: text/x\r\nTransfer-Encoding: "
                              "chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n")) {
        auto used = parser.push(std::string_view(&c, 1));
        ASSERT_TRUE(used) << used.error().text;
        body += parser.take_body();
    }
    EXPECT_TRUE(parser.done());
    EXPECT_TRUE(parser.keep_alive());
    EXPECT_EQ(parser.status(), 200);
    EXPECT_EQ(parser.header("content-TYPE"), "text/x");
    EXPECT_EQ(parser.header("none"), "");
    EXPECT_EQ(body, "hello!");
}

TEST(ResponseParser, takes_a_head_with_a_length_that_comes_alone) {
    ResponseParser parser;
    auto head = parser.push("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    ASSERT_TRUE(head) << head.error().text;
    EXPECT_TRUE(parser.head_done());
    ASSERT_TRUE(parser.push("hello"));
    EXPECT_TRUE(parser.done());
    EXPECT_EQ(parser.take_body(), "hello");
}

TEST(ResponseParser, leaves_what_follows_an_upgrade) {
    ResponseParser parser;
    std::string text = "HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\n\r\nraw bytes";
    EXPECT_EQ(*parser.push(text), text.size() - 9);
    EXPECT_TRUE(parser.done());
}

TEST(ResponseParser, an_answer_without_a_body_is_done_with_its_head) {
    ResponseParser empty;
    ASSERT_TRUE(empty.push("HTTP/1.1 204 No Content\r\n\r\n"));
    EXPECT_TRUE(empty.done());
    ResponseParser head;
    head.expect_no_body();
    ASSERT_TRUE(head.push("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"));
    EXPECT_TRUE(head.done());
}

TEST(ResponseParser, a_body_without_length_ends_with_the_connection) {
    ResponseParser parser;
    ASSERT_TRUE(parser.push("HTTP/1.1 200 OK\r\n\r\nsome"));
    EXPECT_FALSE(parser.done());
    ASSERT_TRUE(parser.push_end());
    EXPECT_TRUE(parser.done());
    EXPECT_EQ(parser.take_body(), "some");
}

TEST(ResponseParser, nonsense_and_broken_answers_are_errors) {
    ResponseParser nonsense;
    EXPECT_FALSE(nonsense.push("SSH-2.0-OpenSSH\r\n\r\n"));
    ResponseParser cut;
    ASSERT_TRUE(cut.push("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc"));
    EXPECT_FALSE(cut.push_end());
    ResponseParser nothing;
    EXPECT_FALSE(nothing.push_end());
    ResponseParser large;
    EXPECT_FALSE(large.push("HTTP/1.1 200 OK\r\nA: " + std::string(100000, 'x')));
}

}  // namespace
}  // namespace gantry::cli
