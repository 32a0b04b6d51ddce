#include "core/build/select.hpp"

#include "scratch.hpp"

namespace gantry::build {
namespace {

struct Select : ::testing::Test {
    Scratch tree;
    void SetUp() override {
        tree.file("a.txt");
        tree.file("b.txt");
        tree.file("dir/c.txt");
        tree.file("dir/sub/d.txt");
        tree.file("dir/sub/e.md");
        tree.file("we[ir]d");
        tree.link("link", "a.txt");
        tree.link("outside", "/../../a.txt");
        tree.link("dirlink", "dir");
    }
    std::vector<std::string> paths(std::vector<std::string> sources, bool parents = false, bool nothing = false) {
        CopyAction action;
        action.sources = std::move(sources);
        action.parents = parents;
        action.allow_nothing = nothing;
        UniqueFd root = tree.open();
        auto selected = select_files(root.get(), action);
        if (!selected) return {"error: " + selected.error().text};
        std::vector<std::string> all;
        for (const Selected& one : *selected)
            all.push_back(one.path + (one.directory ? "/" : "") + (one.parents.empty() ? "" : " in " + one.parents) +
                          (one.exact ? "" : " by a link"));
        return all;
    }
};
using Paths = std::vector<std::string>;

TEST_F(Select, names_and_patterns) {
    EXPECT_EQ(paths({"a.txt"}), Paths{"a.txt"});
    EXPECT_EQ(paths({"/a.txt", "./b.txt"}), (Paths{"a.txt", "b.txt"}));
    EXPECT_EQ(paths({"*.txt"}), (Paths{"a.txt", "b.txt"}));
    EXPECT_EQ(paths({"d*r"}), Paths{"dir/"});
    EXPECT_EQ(paths({"dir/*/d.txt"}), Paths{"dir/sub/d.txt"});
    EXPECT_EQ(paths({"?.txt", "dir"}), (Paths{"a.txt", "b.txt", "dir/"}));
    EXPECT_EQ(paths({"we[ir]d"}), Paths{"we[ir]d"});
    EXPECT_EQ(paths({"."}), Paths{"/"});
}

TEST_F(Select, a_double_star_takes_every_depth) {
    EXPECT_EQ(paths({"**/*.txt"}, true), (Paths{"a.txt", "b.txt", "dir/c.txt in dir", "dir/sub/d.txt in dir/sub"}));
}

TEST_F(Select, parents_are_kept_from_the_pivot_on) {
    EXPECT_EQ(paths({"dir/sub/d.txt"}, true), Paths{"dir/sub/d.txt in dir/sub"});
    EXPECT_EQ(paths({"dir/./sub/d.txt"}, true), Paths{"dir/sub/d.txt in sub"});
    EXPECT_EQ(paths({"./dir/sub"}, true), Paths{"dir/sub/ in dir"});
}

TEST_F(Select, links_are_followed_inside_the_root_only) {
    EXPECT_EQ(paths({"link"}), Paths{"link by a link"});
    EXPECT_EQ(paths({"outside"}), Paths{"outside by a link"});  // "/../../a.txt" is "/a.txt" of the tree
    EXPECT_EQ(paths({"dirlink/c.txt"}), Paths{"dirlink/c.txt by a link"});
    EXPECT_EQ(paths({"../../../../etc/passwd"}), Paths{"error: \"/etc/passwd\": not found"});
}

TEST_F(Select, what_is_not_there_is_named) {
    EXPECT_EQ(paths({"none"}), Paths{"error: \"/none\": not found"});
    EXPECT_EQ(paths({"*.none"}), Paths{"error: \"*.none\": no file matches"});
    EXPECT_EQ(paths({"*.none"}, false, true), Paths{});
}

}  // namespace
}  // namespace gantry::build
