#include "core/base/text.hpp"

#include <gtest/gtest.h>

#include <gantry/json.hpp>

namespace gantry {

TEST(Text, quotes_what_a_terminal_would_obey) {
    const std::pair<std::string_view, const char*> cases[] = {{"", R"("")"},
                                                              {"a\"b\\", R"("a\"b\\")"},
                                                              {"\x1b[2J\n", R"("\u001b[2J\n")"},
                                                              {std::string_view("\0", 1), R"("\u0000")"},
                                                              {"\x7f", R"("\u007f")"},
                                                              {"\xc2\x80\xc2\x9f", R"("\u0080\u009f")"},
                                                              {"\xc2\xa0\xc3\x80", "\"\xc2\xa0\xc3\x80\""},
                                                              {"\xff\xc2", "\"\xef\xbf\xbd\xef\xbf\xbd\""}};
    for (const auto& [text, quoted] : cases) EXPECT_EQ(quote_json(text), quoted);
    EXPECT_EQ(Json::parse(quote_json("\x7f\xc2\x9b")).get<std::string>(), "\x7f\xc2\x9b");
}

}  // namespace gantry
