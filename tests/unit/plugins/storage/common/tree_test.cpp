#include "plugins/storage/common/tree.hpp"

#include <gtest/gtest.h>

#include <barrier>
#include <cstdio>
#include <thread>

#include "tests/unit/plugins/storage/scratch.hpp"

namespace gantry::storage {

TEST(Tree, removes_trees_deeper_than_descriptors_or_paths_allow) {
    test::Scratch scratch;
    UniqueFd top = test::open_directory(scratch.path());
    ASSERT_EQ(::mkdirat(top.get(), "deep", 0700), 0);
    UniqueFd at(::openat(top.get(), "deep", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    for (int i = 0; i < 3000; ++i) {
        ASSERT_EQ(::mkdirat(at.get(), "directory", 0700), 0);
        UniqueFd file(::openat(at.get(), "file", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
        at = UniqueFd(::openat(at.get(), "directory", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    }
    at.reset();
    auto removed = remove_entry(top.get(), "deep");
    ASSERT_TRUE(removed) << removed.error().text;
    EXPECT_TRUE(removed->complete);
    EXPECT_TRUE(std::filesystem::is_empty(scratch.path()));
}

TEST(Tree, removes_links_and_not_what_they_lead_to) {
    test::Scratch scratch;
    scratch.make("kept");
    test::write_text(scratch / "kept/file", "x");
    scratch.make("tree/inner");
    std::filesystem::create_symlink(scratch / "kept", scratch / "tree/inner/link");
    UniqueFd top = test::open_directory(scratch.path());
    ASSERT_TRUE(remove_entry(top.get(), "tree"));
    EXPECT_FALSE(test::is_there(scratch / "tree"));
    EXPECT_EQ(test::content_of(scratch / "kept/file"), "x");
    EXPECT_TRUE(remove_entry(top.get(), "tree")) << "gone is success";
}

TEST(Tree, a_directory_that_another_replaces_is_not_removed_for_ever) {
    test::Scratch scratch;
    UniqueFd top = test::open_directory(scratch.path());
    // The one swaps a full directory for the empty one while the other removes what has the name; each waits for the other between
    // two rounds, so that a removal that does not end is one that nobody helps.
    std::barrier round(2);
    constexpr int rounds = 3000;
    std::thread swaps([&] {
        for (int i = 0; i < rounds; ++i) {
            round.arrive_and_wait();
            (void)::renameat2(top.get(), "full", top.get(), "gone", RENAME_EXCHANGE);
            (void)::unlinkat(top.get(), "full", AT_REMOVEDIR);
            round.arrive_and_wait();
        }
    });
    for (int i = 0; i < rounds; ++i) {
        scratch.make("gone");
        scratch.make("full");
        test::write_text(scratch / "full/file", "x");
        round.arrive_and_wait();
        auto removed = remove_entry(top.get(), "gone");
        EXPECT_TRUE(removed || removed.error().code == Code::conflict) << removed.error().text;
        round.arrive_and_wait();
        std::filesystem::remove_all(scratch / "gone");
        std::filesystem::remove_all(scratch / "full");
    }
    swaps.join();
}

TEST(Tree, stops_at_its_budget_and_goes_on_later) {
    test::Scratch scratch;
    scratch.make("tree");
    for (int i = 0; i < 50; ++i) test::write_text(scratch / ("tree/" + std::to_string(i)), "x");
    UniqueFd top = test::open_directory(scratch.path());
    auto first = remove_entry(top.get(), "tree", 10);
    ASSERT_TRUE(first);
    EXPECT_FALSE(first->complete);
    ASSERT_TRUE(remove_entry(top.get(), "tree")->complete);
    EXPECT_FALSE(test::is_there(scratch / "tree"));
}

TEST(Tree, usage_counts_a_file_with_two_names_once) {
    test::Scratch scratch;
    scratch.make("tree/d");
    test::write_text(scratch / "tree/a", std::string(1000, 'x'));
    std::filesystem::create_hard_link(scratch / "tree/a", scratch / "tree/d/b");
    UniqueFd tree = test::open_directory(scratch / "tree");
    auto usage = tree_usage(tree.get());
    ASSERT_TRUE(usage);
    EXPECT_EQ(usage->bytes, 1000);
    EXPECT_EQ(usage->inodes, 3);
}

}  // namespace gantry::storage
