#include "core/base/base64.hpp"

#include <gtest/gtest.h>

namespace gantry {

TEST(Base64, writes_what_the_rfc_says) {
    const std::pair<const char*, const char*> cases[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
    for (const auto& [bytes, text] : cases) {
        EXPECT_EQ(to_base64(bytes), text);
        EXPECT_EQ(from_base64(text), bytes);
    }
}

TEST(Base64, has_two_alphabets_and_reads_both) {
    const std::string bytes = "\xfb\xff\xbf";
    EXPECT_EQ(to_base64(bytes), "+/+/");
    EXPECT_EQ(to_base64(bytes, Base64::url), "-_-_");
    EXPECT_EQ(from_base64("+/+/"), bytes);
    EXPECT_EQ(from_base64("-_-_"), bytes);
    EXPECT_EQ(from_base64("Zg"), "f");
}

TEST(Base64, refuses_what_is_none) {
    for (const char* bad : {"Z", "Zg=", "Zm9v=", "Zm9v====", "Z m9", "Zm9v\n", "====", "\xc3\xa9"})
        EXPECT_FALSE(from_base64(bad)) << bad;
}

}  // namespace gantry
