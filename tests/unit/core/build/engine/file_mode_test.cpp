#include "core/build/file_mode.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

namespace gantry::build {
namespace {

struct Case {
    const char* text;
    mode_t before, after;
};

TEST(FileMode, takes_what_chmod_takes) {
    const mode_t file = S_IFREG, directory = S_IFDIR;
    for (const Case& c : {Case{"", file | 0644, 0644},
                          {"755", file | 0644, 0755},
                          {"0600", file | 04755, 0600},
                          {"4755", file | 0, 04755},
                          {"u+x", file | 0644, 0744},
                          {"+x", file | 0644, 0755},
                          {"a-w", file | 0666, 0444},
                          {"go=", file | 0777, 0700},
                          {"u=rwX,go=rX", file | 0600, 0644},
                          {"u=rwX,go=rX", file | 0700, 0755},
                          {"u=rwX,go=rX", directory | 0700, 0755},
                          {"g=u", file | 0640, 0660},
                          {"o=g-w", file | 0664, 0664},
                          {"u+s,+t", file | 0755, 05755},
                          {"g-s", file | 02755, 0755}}) {
        auto mode = FileMode::parse(c.text);
        ASSERT_TRUE(mode) << c.text;
        EXPECT_EQ(mode->apply(c.before), c.after) << c.text;
    }
}

TEST(FileMode, names_what_it_does_not_take) {
    for (const char* text : {"8", "77777", "17777", "u", "u+q", "rwx", ",", "u+x,", "u+x,,g+x", "0x1ff", "z+x"}) {
        auto mode = FileMode::parse(text);
        ASSERT_FALSE(mode) << text;
        EXPECT_EQ(mode.error().code, Code::invalid);
        EXPECT_NE(mode.error().text.find(text), std::string::npos) << mode.error().text;
    }
}

}  // namespace
}  // namespace gantry::build
