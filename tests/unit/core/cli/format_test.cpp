#include <gtest/gtest.h>

#include "core/cli/format.hpp"
#include "core/cli/printable.hpp"

namespace gantry::cli {
namespace {

const ListShape shape{{"ID", "Name"}, {{"ID", "THING ID"}}};
const std::vector<Json> rows{Json{{"ID", "1"}, {"Name", "ä very long name"}, {"Extra", "e"}},
                             Json{{"ID", "22222222222"}, {"Name", "b"}, {"Extra", "f"}}};

TEST(Format, columns_are_ten_wide_at_least_and_count_characters) {
    EXPECT_EQ(*format_list(rows, shape, ""), "THING ID      NAME\n1             ä very long name\n22222222222   b\n");
    Table table({"A", "B", "C"});
    table.add({"äö", "x", "y"});
    EXPECT_EQ(table.text(), "A         B         C\näö        x         y\n");
}

TEST(Format, templates_make_lines_or_tables_with_heads) {
    EXPECT_EQ(*format_list(rows, shape, "{{.ID}}:{{.Extra}}"), "1:e\n22222222222:f\n");
    EXPECT_EQ(*format_list(rows, shape, "table {{.ID}}\\t{{.Extra}}"),
              "THING ID      EXTRA\n1             e\n22222222222   f\n");
    EXPECT_EQ(*format_list({Json{{"a", 1}}}, shape, "json"), "{\"a\":1}\n");
    EXPECT_EQ(*format_list({}, shape, "{{.ID}}"), "");
    EXPECT_FALSE(format_list(rows, shape, "{{.Nothing}}"));
}

TEST(Format, json_is_indented_and_otherwise_untouched) {
    EXPECT_EQ(indent_json(R"({"b":1.0,"a":[ ],"s":"a\"{b\\","l":[1,{}]})"),
              "{\n    \"b\": 1.0,\n    \"a\": [],\n    \"s\": \"a\\\"{b\\\\\",\n    \"l\": [\n        1,\n        {}\n "
              "   ]\n}");
    EXPECT_EQ(indent_json("[]"), "[]");
    EXPECT_EQ(indent_json("]]]\"open"), "\n]\n]\n]\"open");
}

TEST(Format, text_of_others_is_shown_and_not_obeyed) {
    EXPECT_EQ(printable("plain ä…\n\t", Breaks::keep), "plain ä…\n\t");
    EXPECT_EQ(printable("a\nb\r\x1b[2J\x7f", Breaks::escape), "a\\x0ab\\x0d\\x1b[2J\\x7f");
    EXPECT_EQ(printable("\u202etxt\u2066\u009b31m"), "\\u202etxt\\u2066\\u009b31m");
    EXPECT_EQ(printable("\x9b\xc0\xaf\xff"), "\\x9b\\xc0\\xaf\\xff");
    EXPECT_EQ(printable(std::string_view("a\0b", 3)), "a\\x00b");
    Table table({"A"});
    table.add({"x\ny\x1b[31m"});
    EXPECT_EQ(table.text(), "A\nx\\x0ay\\x1b[31m\n");
}

}  // namespace
}  // namespace gantry::cli
