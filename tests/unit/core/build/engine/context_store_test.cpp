#include "core/build/context_store.hpp"

#include <map>

#include "core/image/digest.hpp"
#include "scratch.hpp"

namespace gantry::build {
namespace {

struct FakePeer : ContextPeer {
    std::vector<ContextEntry> entries;
    std::map<std::string, std::string> contents;
    std::vector<std::string> asked;
    bool cut_off = false;

    void add(const std::string& path, const std::string& content, std::int64_t mtime = 1) {
        std::erase_if(entries, [&](const ContextEntry& e) { return e.path == path; });
        entries.push_back({path, S_IFREG | 0644, static_cast<std::int64_t>(content.size()), mtime, ""});
        contents[path] = content;
    }
    void directory(const std::string& path) { entries.push_back({path, S_IFDIR | 0755, 0, 1, ""}); }
    void link(const std::string& path, const std::string& target) {
        entries.push_back({path, S_IFLNK | 0777, 0, 1, target});
    }
    Result<void> walk(const std::function<Result<void>(ContextEntry)>& entry) override {
        for (const ContextEntry& e : entries) GANTRY_CHECK(entry(e));
        return {};
    }
    Result<void> fetch(const std::vector<std::string>& paths, const std::function<Result<void>(std::string_view)>& data,
                       const std::function<Result<void>()>& end) override {
        for (const std::string& path : paths) {
            asked.push_back(path);
            GANTRY_CHECK(data(contents[path]));
            if (cut_off) return fail(Code::cancelled, "gone");
            GANTRY_CHECK(end());
        }
        return {};
    }
};

struct Contexts : ::testing::Test {
    Scratch scratch;
    std::unique_ptr<ContextStore> store;
    FakePeer peer;
    Cancel cancel;
    void SetUp() override { open(); }
    void open() {
        auto opened = ContextStore::open(scratch / "contexts");
        ASSERT_TRUE(opened);
        store = std::move(*opened);
    }
    Result<std::shared_ptr<const Tree>> sync(const std::string& key = "k") {
        peer.asked.clear();
        return store->sync(key, peer, {}, cancel);
    }
    static std::string read(const Tree& tree, const std::string& path) {
        auto text = read_file("/proc/self/fd/" + std::to_string(tree.root()) + "/" + path);
        return text ? *text : "<none>";
    }
};
using Paths = std::vector<std::string>;

TEST_F(Contexts, only_what_changed_is_fetched) {
    peer.directory("d");
    peer.add("d/a", "1");
    peer.add("b", "2");
    peer.link("l", "b");
    {
        auto tree = sync();
        ASSERT_TRUE(tree) << tree.error().text;
        EXPECT_EQ(peer.asked, (Paths{"b", "d/a"}));
        EXPECT_EQ(read(**tree, "d/a"), "1");
        EXPECT_EQ(read(**tree, "l"), "2");
        EXPECT_EQ((*tree)->digest_of("b"), image::digest_of("2"));
        EXPECT_FALSE((*tree)->digest_of("l"));
    }
    open();  // another engine
    {
        auto tree = sync();
        ASSERT_TRUE(tree);
        EXPECT_EQ(peer.asked, Paths{});
        EXPECT_EQ((*tree)->digest_of("d/a"), image::digest_of("1"));
    }
    peer.add("b", "3", 2);
    peer.add("new", "4");
    std::erase_if(peer.entries, [](const ContextEntry& e) { return e.path.starts_with("d"); });
    auto tree = sync();
    ASSERT_TRUE(tree);
    EXPECT_EQ(peer.asked, (Paths{"b", "new"}));
    EXPECT_EQ(read(**tree, "d/a"), "<none>");
    EXPECT_EQ(read(**tree, "b"), "3");
}

TEST_F(Contexts, a_file_may_become_a_directory_and_back) {
    peer.add("x", "1");
    ASSERT_TRUE(sync());
    peer.entries.clear();
    peer.directory("x");
    peer.add("x/y", "2");
    {
        auto tree = sync();
        ASSERT_TRUE(tree) << tree.error().text;
        EXPECT_EQ(read(**tree, "x/y"), "2");
    }
    peer.entries.clear();
    peer.link("x", "z");
    ASSERT_TRUE(sync());
    peer.entries.clear();
    peer.add("x", "3");
    auto tree = sync();
    ASSERT_TRUE(tree) << tree.error().text;
    EXPECT_EQ(read(**tree, "x"), "3");
}

TEST_F(Contexts, a_tree_in_use_does_not_change) {
    peer.add("a", "1");
    auto first = sync();
    ASSERT_TRUE(first);
    peer.add("a", "2", 2);
    auto second = sync();
    ASSERT_TRUE(second);
    EXPECT_EQ(read(**first, "a"), "1");
    EXPECT_EQ(read(**second, "a"), "2");
    EXPECT_EQ(store->list().size(), 2u);
    EXPECT_EQ(store->remove(store->list()[0].id), 0);
}

TEST_F(Contexts, a_client_that_goes_in_the_middle_leaves_nothing_false) {
    peer.add("a", "1");
    ASSERT_TRUE(sync());
    peer.add("a", "22", 2);
    peer.add("b", "3");
    peer.cut_off = true;
    EXPECT_FALSE(sync());
    peer.cut_off = false;
    auto tree = sync();
    ASSERT_TRUE(tree);
    EXPECT_EQ(peer.asked, (Paths{"a", "b"}));
    EXPECT_EQ(read(**tree, "a"), "22");
}

TEST_F(Contexts, names_that_lead_out_are_refused) {
    Scratch outside;
    outside.file("canary", "safe");
    for (const std::string& path :
         {std::string("../x"), std::string("/etc/x"), std::string("a/../../x"), std::string(), std::string("a//b"),
          std::string("."), std::string("a/."), std::string("a\0b", 3), std::string(256, 'n')}) {
        peer.entries = {{path, S_IFREG | 0644, 1, 1, ""}};
        peer.contents[path] = "x";
        auto tree = sync();
        ASSERT_FALSE(tree) << path;
        EXPECT_EQ(tree.error().code, Code::invalid) << path;
    }
    // A link, and a file below it.
    peer.entries = {{"l", S_IFLNK | 0777, 0, 1, outside.path()}, {"l/canary", S_IFREG | 0644, 3, 1, ""}};
    peer.contents["l/canary"] = "bad";
    EXPECT_FALSE(sync());
    EXPECT_EQ(outside.read("canary"), "safe");
    peer.entries = {{"n", S_IFCHR | 0600, 0, 1, ""}};
    EXPECT_FALSE(sync());
}

TEST_F(Contexts, a_list_that_is_no_tree_is_refused_before_anything_is_fetched) {
    const std::uint32_t file = S_IFREG | 0644, directory = S_IFDIR | 0755, link = S_IFLNK | 0777;
    const std::vector<std::vector<ContextEntry>> lists = {
        {{"a", file, 1, 1, ""}, {"l", link, 0, 1, "/etc"}, {"l/passwd", file, 1, 1, ""}},
        {{"a", file, 1, 1, ""}, {"a/b", file, 1, 1, ""}},
        {{"a", file, 1, 1, ""}, {"a", file, 2, 1, ""}},
        {{"d", directory, 0, 1, ""}, {"d/a", file, 1, 1, ""}, {"d", link, 0, 1, "/etc"}},
        {{"d/a", file, 1, 1, ""}, {"d", directory, 0, 1, ""}},
        {{"d", directory, 0, 1, ""}, {"d/none/a", file, 1, 1, ""}},
    };
    for (std::size_t at = 0; at < lists.size(); ++at) {
        peer.entries = lists[at];
        auto tree = sync();
        ASSERT_FALSE(tree) << at;
        EXPECT_EQ(tree.error().code, Code::invalid) << at;
        EXPECT_EQ(peer.asked, Paths{}) << at;
    }
}

TEST_F(Contexts, a_directory_that_is_told_of_no_more_takes_its_files_with_it) {
    peer.directory("d");
    peer.add("d/a", "1");
    ASSERT_TRUE(sync());
    std::erase_if(peer.entries, [](const ContextEntry& e) { return e.path == "d"; });
    EXPECT_FALSE(sync()) << "its file is in no directory";
    peer.entries.clear();
    auto tree = sync();
    ASSERT_TRUE(tree) << tree.error().text;
    EXPECT_EQ(read(**tree, "d/a"), "<none>");
}

}  // namespace
}  // namespace gantry::build
