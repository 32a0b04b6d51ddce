#include "core/build/copy_files.hpp"

#include "scratch.hpp"

namespace gantry::build {
namespace {

struct Copy : ::testing::Test {
    Scratch from, to;
    Cancel cancel;
    CopyAction action;

    std::string run() {
        UniqueFd source = from.open(), target = to.open();
        auto done = [&]() -> Result<void> {
            GANTRY_TRY(auto selected, select_files(source.get(), action));
            GANTRY_TRY(FileCopier copier,
                       FileCopier::make(target.get(), action.owner, action.mode, action.exclude, cancel));
            return copier.copy(action, selected);
        }();
        return done ? "" : done.error().text;
    }
    std::string copy(std::vector<std::string> sources, const std::string& destination) {
        action.sources = std::move(sources);
        action.destination = destination;
        return run();
    }
    std::string digest(std::vector<std::string> sources) {
        action.sources = std::move(sources);
        PlainTree tree(from.open());
        auto selected = select_files(tree.root(), action);
        auto text = digest_of_files(tree, *selected, action, cancel);
        return text ? *text : text.error().text;
    }
};

TEST_F(Copy, a_file_becomes_the_destination_or_goes_into_it) {
    from.file("a", "1");
    EXPECT_EQ(copy({"a"}, "/x"), "");
    EXPECT_EQ(to.read("x"), "1");
    EXPECT_EQ(copy({"a"}, "/new/deep/"), "");
    EXPECT_EQ(to.read("new/deep/a"), "1");
    to.directory("there");
    EXPECT_EQ(copy({"a"}, "/there"), "");
    EXPECT_EQ(to.read("there/a"), "1");
    from.file("b", "2");
    EXPECT_EQ(copy({"a", "b"}, "/both"), "");
    EXPECT_EQ(to.read("both/b"), "2");
}

TEST_F(Copy, of_a_directory_only_the_content_goes) {
    from.file("d/one", "1");
    from.file("d/sub/two", "2", 0600);
    ::chmod((from / "d").c_str(), 0750);
    EXPECT_EQ(copy({"d"}, "/x"), "");
    EXPECT_EQ(to.read("x/one"), "1");
    EXPECT_EQ(to.read("x/sub/two"), "2");
    EXPECT_EQ(to.mode("x/sub/two"), 0600u);
    EXPECT_EQ(to.mode("x"), 0750u);
    // One that was there keeps its own mode.
    to.directory("old");
    ::chmod((to / "old").c_str(), 0700);
    EXPECT_EQ(copy({"d"}, "/old"), "");
    EXPECT_EQ(to.mode("old"), 0700u);
    EXPECT_EQ(to.read("old/one"), "1");
}

TEST_F(Copy, replaces_files_but_no_directory) {
    from.file("a", "new");
    to.file("x", "old");
    EXPECT_EQ(copy({"a"}, "/x"), "");
    EXPECT_EQ(to.read("x"), "new");
    from.file("d/name", "1");
    to.directory("t/name");
    EXPECT_EQ(copy({"d"}, "/t"), "cannot replace the directory \"/t/name\" by a file");
    to.file("f/sub", "");
    from.directory("e/sub");
    EXPECT_EQ(copy({"e"}, "/f"), "cannot copy a directory to \"/f/sub\", which is none");
}

TEST_F(Copy, links_in_the_destination_are_followed_inside_only) {
    from.file("a", "1");
    from.file("d/bin/tool", "2");
    to.directory("usr/bin");
    to.link("bin", "usr/bin");
    EXPECT_EQ(copy({"d"}, "/"), "");
    EXPECT_EQ(to.read("usr/bin/tool"), "2");
    // A link to the outside is one to the inside.
    Scratch outside;
    outside.file("canary", "safe");
    to.link("evil", outside.path());
    copy({"a"}, "/evil/canary");
    EXPECT_EQ(outside.read("canary"), "safe");
    to.link("evilfile", outside / "canary");
    copy({"a"}, "/evilfile");
    EXPECT_EQ(outside.read("canary"), "safe");
    EXPECT_EQ(copy({"a"}, "/../../../../../../escaped"), "");
    EXPECT_EQ(to.read("escaped"), "1");
}

TEST_F(Copy, links_below_a_source_stay_links_and_the_source_itself_is_followed) {
    from.file("real", "1");
    from.link("d/link", "../real");
    from.link("top", "real");
    EXPECT_EQ(copy({"d"}, "/x"), "");
    char target[100] = {};
    EXPECT_EQ(::readlink((to / "x/link").c_str(), target, sizeof target), 7);
    EXPECT_EQ(copy({"top"}, "/y"), "");
    struct stat info {};
    ASSERT_EQ(::lstat((to / "y").c_str(), &info), 0);
    EXPECT_TRUE(S_ISREG(info.st_mode));
}

TEST_F(Copy, hard_links_are_kept) {
    from.file("d/one", "1");
    ASSERT_EQ(::link((from / "d/one").c_str(), (from / "d/two").c_str()), 0);
    EXPECT_EQ(copy({"d"}, "/x"), "");
    struct stat one {
    }, two{};
    ::stat((to / "x/one").c_str(), &one);
    ::stat((to / "x/two").c_str(), &two);
    EXPECT_EQ(one.st_ino, two.st_ino);
}

TEST_F(Copy, modes_exclusions_and_parents) {
    from.file("d/a.txt", "1", 0600);
    from.file("d/b.md", "2", 0600);
    from.file("d/sub/c.txt", "3", 0600);
    action.mode = "u=rwX,go=rX";
    action.exclude = {"**/*.txt", "!a.txt"};
    EXPECT_EQ(copy({"d"}, "/x"), "");
    EXPECT_EQ(to.mode("x/a.txt"), 0644u);
    EXPECT_EQ(to.mode("x/sub"), 0755u);
    EXPECT_TRUE(to.exists("x/b.md"));
    EXPECT_FALSE(to.exists("x/sub/c.txt"));
    action = {};
    action.parents = true;
    EXPECT_EQ(copy({"d/./sub/c.txt", "d/a.txt"}, "/p"), "");
    EXPECT_EQ(to.read("p/sub/c.txt"), "3");
    EXPECT_EQ(to.read("p/d/a.txt"), "1");
    EXPECT_EQ(copy({"d/sub"}, "/q/"), "");
    EXPECT_EQ(to.read("q/d/sub/c.txt"), "3");
}

TEST_F(Copy, heredocs_become_files) {
    action.inline_files = {{"one", "1\n"}, {"two", "2\n"}};
    EXPECT_EQ(copy({}, "/etc/"), "");
    EXPECT_EQ(to.read("etc/one"), "1\n");
    EXPECT_EQ(to.mode("etc/two"), 0644u);
    action.inline_files = {{"only", "3"}};
    EXPECT_EQ(copy({}, "/file"), "");
    EXPECT_EQ(to.read("file"), "3");
    action.inline_files = {{"../up", "4"}};
    EXPECT_NE(copy({}, "/etc/"), "");
    EXPECT_FALSE(to.exists("up"));
}

TEST_F(Copy, owners_come_from_the_tree_that_is_changed) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    from.file("a", "1");
    to.file("etc/passwd", "app:x:1000:1001::/:/bin/sh\n");
    to.file("etc/group", "staff:x:50:\n");
    auto owner_of = [&](const char* text, const std::string& name) {
        action.owner.text = text;
        const std::string error = copy({"a"}, "/o/" + name);
        struct stat info {};
        ::stat((to / ("o/" + name)).c_str(), &info);
        return error.empty() ? std::to_string(info.st_uid) + ":" + std::to_string(info.st_gid) : error;
    };
    EXPECT_EQ(owner_of("app", "1"), "1000:1001");
    EXPECT_EQ(owner_of("app:staff", "2"), "1000:50");
    EXPECT_EQ(owner_of("7:8", "3"), "7:8");
    EXPECT_EQ(owner_of("7", "4"), "7:7");
    EXPECT_EQ(owner_of("nobody", "5"), "unable to find user nobody: no matching entries in passwd file");
    struct stat made {};
    ::stat((to / "o").c_str(), &made);
    EXPECT_EQ(made.st_uid, 1000u);
}

TEST_F(Copy, an_endless_passwd_file_is_not_read) {
    from.file("a", "1");
    to.directory("etc");
    ASSERT_EQ(::mkfifo((to / "etc/passwd").c_str(), 0644), 0);
    action.owner.text = "app";
    EXPECT_NE(copy({"a"}, "/x"), "");
    ::unlink((to / "etc/passwd").c_str());
    to.file("etc/passwd");
    ASSERT_EQ(::truncate((to / "etc/passwd").c_str(), off_t{4} << 30), 0);
    EXPECT_NE(copy({"a"}, "/x"), "");
}

TEST_F(Copy, the_digest_is_of_names_modes_and_contents_and_of_no_times) {
    from.file("d/a", "1");
    from.link("d/l", "a");
    const std::string first = digest({"d"});
    const timespec old[2] = {{1, 0}, {1, 0}};
    ::utimensat(AT_FDCWD, (from / "d/a").c_str(), old, 0);
    EXPECT_EQ(digest({"d"}), first);
    from.file("d/a", "2");
    const std::string other = digest({"d"});
    EXPECT_NE(other, first);
    from.file("d/a", "1", 0600);
    EXPECT_NE(digest({"d"}), first);
    from.file("d/a", "1");
    EXPECT_EQ(digest({"d"}), first);
    ::unlink((from / "d/l").c_str());
    from.link("d/l", "b");
    EXPECT_NE(digest({"d"}), first);
    action.exclude = {"l"};
    const std::string less = digest({"d"});
    ::unlink((from / "d/l").c_str());
    EXPECT_EQ(digest({"d"}), less);
}

}  // namespace
}  // namespace gantry::build
