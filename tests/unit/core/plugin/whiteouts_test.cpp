#include "core/plugin/whiteouts.hpp"

#include <gtest/gtest.h>

#include "tests/unit/plugins/storage/scratch.hpp"

namespace gantry::plugin {
namespace {

struct WhiteoutMarks : ::testing::Test {
    gantry::test::Scratch scratch;
    UniqueFd root;
    void SetUp() override {
        root = gantry::test::open_directory(scratch.make("root"));
        scratch.make("root/a/b");
        gantry::test::write_text(scratch / "root/a/one", "1");
        gantry::test::write_text(scratch / "root/a/b/two", "2");
        scratch.make("outside");
        gantry::test::write_text(scratch / "outside/file", "x");
    }
    bool there(const std::string& path) { return gantry::test::is_there(scratch / ("root/" + path)); }
};

TEST_F(WhiteoutMarks, take_away_what_they_name) {
    Whiteouts marks(root.get());
    EXPECT_EQ(*marks.apply("a/.wh.one"), "");
    EXPECT_FALSE(there("a/one"));
    EXPECT_EQ(*marks.apply("./a/.wh.b"), "");
    EXPECT_FALSE(there("a/b"));
    EXPECT_EQ(*marks.apply("a/.wh.one"), "");
    EXPECT_EQ(*marks.apply("none/.wh.one"), "");
    EXPECT_EQ(*marks.apply("a/plain"), "a/plain");
}

TEST_F(WhiteoutMarks, empty_a_directory_but_for_their_own_layer) {
    Whiteouts marks(root.get());
    EXPECT_EQ(*marks.apply("a/b/two"), "a/b/two");
    EXPECT_EQ(*marks.apply("a/.wh..wh..opq"), "");
    EXPECT_FALSE(there("a/one"));
    EXPECT_TRUE(there("a/b/two"));
}

TEST_F(WhiteoutMarks, follow_no_link_and_mark_something) {
    ASSERT_EQ(::symlink((scratch / "outside").c_str(), (scratch / "root/link").c_str()), 0);
    Whiteouts marks(root.get());
    EXPECT_EQ(*marks.apply("link/.wh.file"), "");
    EXPECT_EQ(*marks.apply("../outside/.wh.file"), "");
    EXPECT_TRUE(gantry::test::is_there(scratch / "outside/file"));
    for (const char* bad : {"a/.wh.", "a/.wh...", "a/.wh..", "a/.wh..wh.one"})
        EXPECT_EQ(marks.apply(bad).error().code, Code::invalid) << bad;
    EXPECT_TRUE(there("a/one"));
}

}  // namespace
}  // namespace gantry::plugin
