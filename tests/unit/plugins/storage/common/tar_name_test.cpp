#include "plugins/storage/common/tar_name.hpp"

#include <gtest/gtest.h>

namespace gantry::storage {

TEST(TarName, is_split_into_directory_and_base) {
    auto name = parse_entry_name("/a//b/./c/");
    ASSERT_TRUE(name);
    EXPECT_EQ(name->directory, "a/b");
    EXPECT_EQ(name->base, "c");
    EXPECT_EQ(parse_entry_name("./")->base, "");
    EXPECT_EQ(parse_entry_name("C:\\x")->base, "C:\\x");
}

TEST(TarName, refuses_what_climbs_or_is_too_long) {
    for (const std::string& bad : {std::string(), std::string("../x"), std::string("a/../../x"), std::string("a/.."),
                                   std::string(65536, 'x'), std::string(300, 'x'), std::string("a\0b", 3)})
        EXPECT_FALSE(parse_entry_name(bad)) << bad.substr(0, 40);
    std::string deep;
    for (int i = 0; i < 600; ++i) deep += "d/";
    EXPECT_FALSE(parse_entry_name(deep));
}

TEST(TarName, whiteouts_name_one_plain_entry) {
    EXPECT_EQ(parse_marker(".wh.file")->target, "file");
    EXPECT_EQ(parse_marker(".wh..wh..opq")->kind, Marker::opaque);
    EXPECT_EQ(parse_marker(".wh..wh.plnk")->kind, Marker::ignored);
    EXPECT_EQ(parse_marker("plain")->kind, Marker::none);
    for (const char* bad : {".wh.", ".wh..", ".wh...", ".wh..wh."}) EXPECT_FALSE(parse_marker(bad)) << bad;
}

}  // namespace gantry::storage
