#include "core/build/mount_points.hpp"

#include "scratch.hpp"

namespace gantry::build {
namespace {

struct Points : ::testing::Test {
    Scratch tree;
    MountPoints points;
    void make(std::vector<MountPoints::Place> places) {
        UniqueFd root = tree.open();
        auto made = points.make(root.get(), places);
        EXPECT_TRUE(made) << made.error().text;
    }
    void remove() {
        UniqueFd root = tree.open();
        points.remove(root.get());
    }
};

TEST_F(Points, what_was_made_goes_and_times_are_as_before) {
    tree.directory("etc");
    const timespec old[2] = {{1000, 0}, {1000, 0}};
    ::utimensat(AT_FDCWD, (tree / "etc").c_str(), old, 0);
    make({{"/proc", true}, {"/etc/hosts", false}, {"/a/b/c", true}});
    EXPECT_TRUE(tree.exists("proc") && tree.exists("etc/hosts") && tree.exists("a/b/c"));
    remove();
    EXPECT_FALSE(tree.exists("proc") || tree.exists("etc/hosts") || tree.exists("a"));
    struct stat info {};
    ::stat((tree / "etc").c_str(), &info);
    EXPECT_EQ(info.st_mtim.tv_sec, 1000);
}

TEST_F(Points, what_was_there_stays) {
    tree.file("etc/hosts");
    tree.directory("proc");
    make({{"/proc", true}, {"/etc/hosts", false}});
    remove();
    EXPECT_TRUE(tree.exists("proc") && tree.exists("etc/hosts"));
}

TEST_F(Points, what_a_process_put_there_stays) {
    make({{"/file", false}, {"/dir", true}, {"/empty", true}});
    tree.file("file", "content");
    tree.file("dir/kept", "content");
    remove();
    EXPECT_EQ(tree.read("file"), "content");
    EXPECT_EQ(tree.read("dir/kept"), "content");
    EXPECT_FALSE(tree.exists("empty"));
}

// The process replaces what was made by links: neither they nor what they lead to is touched.
TEST_F(Points, links_in_their_place_lead_nowhere) {
    Scratch outside;
    outside.directory("empty");
    outside.file("nothing");
    make({{"/dir", true}, {"/file", false}, {"/a/b", true}});
    ::rmdir((tree / "dir").c_str());
    ::unlink((tree / "file").c_str());
    ::rmdir((tree / "a/b").c_str());
    ::rmdir((tree / "a").c_str());
    tree.link("dir", outside / "empty");
    tree.link("file", outside / "nothing");
    tree.link("a", outside.path());
    outside.directory("b");
    remove();
    EXPECT_TRUE(outside.exists("empty") && outside.exists("nothing") && outside.exists("b"));
    EXPECT_TRUE(tree.exists("dir") && tree.exists("file") && tree.exists("a"));
}

TEST_F(Points, a_link_in_the_way_is_followed_inside_only) {
    Scratch outside;
    tree.link("up", "/../../../.." + outside.path());
    make({{"/up/made", true}});
    EXPECT_FALSE(outside.exists("made"));
}

}  // namespace
}  // namespace gantry::build
