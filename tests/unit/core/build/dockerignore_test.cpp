#include "core/build/dockerignore.hpp"

#include "core/base/text.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gantry::build {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

IgnoreMatcher matcher(const std::vector<std::string>& patterns) {
    auto made = IgnoreMatcher::parse(patterns);
    EXPECT_TRUE(made) << (made ? "" : made.error().text);
    return made ? std::move(*made) : IgnoreMatcher();
}

TEST(Dockerignore, clean_path_is_gos) {
    for (auto [path, clean] : std::initializer_list<std::pair<const char*, const char*>>{
             {"", "."},
             {"abc", "abc"},
             {"abc/def", "abc/def"},
             {"a/b/c", "a/b/c"},
             {".", "."},
             {"..", ".."},
             {"../..", "../.."},
             {"../../abc", "../../abc"},
             {"/abc", "/abc"},
             {"/", "/"},
             {"abc/", "abc"},
             {"abc/def/", "abc/def"},
             {"./", "."},
             {"../", ".."},
             {"/abc/", "/abc"},
             {"abc//def//ghi", "abc/def/ghi"},
             {"//abc", "/abc"},
             {"abc//", "abc"},
             {"abc/./def", "abc/def"},
             {"/./abc/def", "/abc/def"},
             {"abc/.", "abc"},
             {"abc/def/ghi/../jkl", "abc/def/jkl"},
             {"abc/def/..", "abc"},
             {"abc/def/../..", "."},
             {"/abc/def/../..", "/"},
             {"abc/def/../../..", ".."},
             {"/abc/def/../../..", "/"},
             {"abc/def/../../../ghi/jkl/../../../mno", "../../mno"},
             {"/../abc", "/abc"}})
        EXPECT_EQ(clean_path(path), clean) << path;
}

TEST(Dockerignore, lines_are_cleaned_and_comments_go) {
    EXPECT_THAT(
        read_dockerignore("\xef\xbb\xbf# comment\n  # not one\nfoo/\n\n /bar//x/ \r\n! /baz/../qux \n!\n/\n.\n**/*.o"),
        ElementsAre("# not one", "foo", "bar/x", "!qux", "!", "/", ".", "**/*.o"));
    EXPECT_TRUE(read_dockerignore("").empty());
    EXPECT_TRUE(read_dockerignore("#a\n\n   \n").empty());
}

struct Case {
    const char *pattern, *path;
    bool matches;
};

// Go's own table for filepath.Match.
TEST(Dockerignore, match_path_is_filepath_match) {
    for (const Case& c : std::initializer_list<Case>{{"abc", "abc", true},
                                                     {"*", "abc", true},
                                                     {"*c", "abc", true},
                                                     {"a*", "a", true},
                                                     {"a*", "abc", true},
                                                     {"a*", "ab/c", false},
                                                     {"a*/b", "abc/b", true},
                                                     {"a*/b", "a/c/b", false},
                                                     {"a*b*c*d*e*/f", "axbxcxdxe/f", true},
                                                     {"a*b*c*d*e*/f", "axbxcxdxexxx/f", true},
                                                     {"a*b*c*d*e*/f", "axbxcxdxe/xxx/f", false},
                                                     {"a*b*c*d*e*/f", "axbxcxdxexxx/fff", false},
                                                     {"a*b?c*x", "abxbbxdbxebxczzx", true},
                                                     {"a*b?c*x", "abxbbxdbxebxczzy", false},
                                                     {"ab[c]", "abc", true},
                                                     {"ab[b-d]", "abc", true},
                                                     {"ab[e-g]", "abc", false},
                                                     {"ab[^c]", "abc", false},
                                                     {"ab[^b-d]", "abc", false},
                                                     {"ab[^e-g]", "abc", true},
                                                     {"a\\*b", "a*b", true},
                                                     {"a\\*b", "ab", false},
                                                     {"a?b",
                                                      "a\xe2\x98\xba"
                                                      "b",
                                                      true},
                                                     {"a[^a]b",
                                                      "a\xe2\x98\xba"
                                                      "b",
                                                      true},
                                                     {"a???b",
                                                      "a\xe2\x98\xba"
                                                      "b",
                                                      false},
                                                     {"a[^a][^a][^a]b",
                                                      "a\xe2\x98\xba"
                                                      "b",
                                                      false},
                                                     {"[a-\xce\xb6]*", "\xce\xb1", true},
                                                     {"*[a-\xce\xb6]", "A", false},
                                                     {"a?b", "a/b", false},
                                                     {"a*b", "a/b", false},
                                                     {"[\\]a]", "]", true},
                                                     {"[\\-]", "-", true},
                                                     {"[x\\-]", "x", true},
                                                     {"[x\\-]", "-", true},
                                                     {"[x\\-]", "z", false},
                                                     {"[\\-x]", "-", true},
                                                     {"[\\-x]", "a", false},
                                                     {"*x", "xxx", true},
                                                     {"", "", true},
                                                     {"", "a", false},
                                                     {"**", "a/b", false}}) {
        auto matched = match_path(c.pattern, c.path);
        ASSERT_TRUE(matched) << c.pattern;
        EXPECT_EQ(*matched, c.matches) << c.pattern << " on " << c.path;
    }
    for (const char* bad : {"[]a]", "[-]", "[x-]", "[-x]", "[a-b-c]", "[", "[^", "[^bc", "a[", "a\\", "[a", "[a-"})
        EXPECT_FALSE(match_path(bad, "a")) << bad;
}

// The tables of moby's patternmatcher.
TEST(Dockerignore, single_patterns_match_as_dockers) {
    for (const Case& c :
         std::initializer_list<Case>{{"**", "file", true},
                                     {"**", "file/", true},
                                     {"**/", "file", true},
                                     {"**/", "dir/file", true},
                                     {"**", "dir/file", true},
                                     {"**/**", "dir/file", true},
                                     {"dir/**", "dir/file", true},
                                     {"dir/**", "dir/dir2/file", true},
                                     {"**/dir", "dir", true},
                                     {"**/dir", "dir/file", true},
                                     {"**/dir2/*", "dir/dir2/file", true},
                                     {"**/dir2/**", "dir/dir2/dir2/file", true},
                                     {"**file", "file", true},
                                     {"**file", "dir/file", true},
                                     {"**/file", "dir/file", true},
                                     {"**file", "dir/dir/file", true},
                                     {"**/file", "dir/dir/file", true},
                                     {"**/file*", "dir/dir/file", true},
                                     {"**/file*", "dir/dir/file.txt", true},
                                     {"**/file*txt", "dir/dir/file.txt", true},
                                     {"**/file*.txt", "dir/dir/file.txt", true},
                                     {"**/file*.txt*", "dir/dir/file.txt", true},
                                     {"**/**/*.txt", "dir/dir/file.txt", true},
                                     {"**/**/*.txt2", "dir/dir/file.txt", false},
                                     {"**/*.txt", "file.txt", true},
                                     {"**/**/*.txt", "file.txt", true},
                                     {"a**/*.txt", "a/file.txt", true},
                                     {"a**/*.txt", "a/dir/file.txt", true},
                                     {"a**/*.txt", "a/dir/dir/file.txt", true},
                                     {"a/*.txt", "a/dir/file.txt", false},
                                     {"a/*.txt", "a/file.txt", true},
                                     {"a/*.txt**", "a/file.txt", true},
                                     {"a[b-d]e", "ae", false},
                                     {"a[b-d]e", "ace", true},
                                     {"a[b-d]e", "aae", false},
                                     {"a[^b-d]e", "aze", true},
                                     {".*", ".foo", true},
                                     {".*", "foo", false},
                                     {"abc.def", "abcdef", false},
                                     {"abc.def", "abc.def", true},
                                     {"abc.def", "abcZdef", false},
                                     {"abc?def", "abcZdef", true},
                                     {"abc?def", "abcdef", false},
                                     {"a\\\\", "a\\", true},
                                     {"**/foo/bar", "foo/bar", true},
                                     {"**/foo/bar", "dir/foo/bar", true},
                                     {"**/foo/bar", "dir/dir2/foo/bar", true},
                                     {"abc/**", "abc", false},
                                     {"abc/**", "abc/def", true},
                                     {"abc/**", "abc/def/ghi", true},
                                     {"**/.foo", ".foo", true},
                                     {"**/.foo", "bar.foo", false},
                                     {"a(b)c/def", "a(b)c/def", true},
                                     {"a(b)c/def", "a(b)c/xyz", false},
                                     {"a.|)$(}+{bc", "a.|)$(}+{bc", true},
                                     {"dist/proxy.py-2.4.0rc3.dev36+g08acad9-py3-none-any.whl",
                                      "dist/proxy.py-2.4.0rc3.dev36+g08acad9-py3-none-any.whl", true},
                                     {"dist/*.whl", "dist/proxy.py-2.4.0rc3.dev36+g08acad9-py3-none-any.whl", true},
                                     {"a/**/b", "a/b", true},
                                     {"a/**/b", "a/x/y/b", true},
                                     {"a/**/b", "a/xb", false},
                                     {"a\\**b", "a*xb", true},
                                     {"foo", "foo/bar/baz", true},
                                     {"foo", "bar/foo", false},
                                     {"foo/", "foo/bar", true},
                                     {"./foo", "foo", true}})
        EXPECT_EQ(matcher({c.pattern}).ignores(c.path), c.matches) << c.pattern << " on " << c.path;
}

TEST(Dockerignore, the_last_pattern_that_matches_decides) {
    EXPECT_FALSE(matcher({"**", "!util/docker/web"}).ignores("util/docker/web/foo"));
    EXPECT_TRUE(matcher({"**", "!util/docker/web", "util/docker/web/foo"}).ignores("util/docker/web/foo"));
    EXPECT_FALSE(matcher({"**", "!dist/proxy.py-2.4.0.whl"}).ignores("dist/proxy.py-2.4.0.whl"));
    EXPECT_TRUE(matcher({"*.md", "!README*.md", "README-secret.md"}).ignores("README-secret.md"));
    EXPECT_FALSE(matcher({"*.md", "!README*.md", "README-secret.md"}).ignores("README.md"));
    EXPECT_TRUE(matcher({"*.md", "README-secret.md", "!READ.md"}).ignores("README-secret.md"));
    EXPECT_FALSE(matcher({"fileutils.go", "!fileutils.go"}).ignores("fileutils.go"));
    EXPECT_TRUE(matcher({"!fileutils.go", "*.go"}).ignores("fileutils.go"));
    EXPECT_FALSE(matcher({"docs", "!docs/README.md"}).ignores("docs/README.md"));
    EXPECT_TRUE(matcher({"docs", "!docs/README.md"}).ignores("docs/other.md"));
    EXPECT_FALSE(matcher({"docs/*", "!docs/README.md"}).ignores("docs"));
    EXPECT_FALSE(matcher({"", "  ", "!x"}).ignores("a"));
    EXPECT_FALSE(matcher({}).ignores("a"));
}

TEST(Dockerignore, malformed_patterns_are_quoted) {
    for (const char* bad : {"[", "a[", "[a-", "a\\", "!", "foo/[^]"}) {
        std::vector<std::string> patterns{"ok", bad};
        auto made = IgnoreMatcher::parse(patterns);
        ASSERT_FALSE(made) << bad;
        EXPECT_EQ(made.error().code, Code::invalid);
        EXPECT_THAT(made.error().text, HasSubstr(quote_json(bad)));
    }
}

TEST(Dockerignore, a_walk_with_verdicts_decides_as_whole_paths_do) {
    const std::vector<std::vector<std::string>> sets{{"node_modules", "!node_modules/keep/**", "**/*.o", "!a/b.o"},
                                                     {"**", "!src", "src/gen", "!src/gen/x.h"},
                                                     {"a/*/c", "!a/b"}};
    for (const auto& set : sets) {
        IgnoreMatcher all = matcher(set);
        for (std::string path : {"node_modules/keep/x", "node_modules/x/y", "a/b.o", "a/c.o", "src/gen/x.h",
                                 "src/gen/y.h", "a/b/c", "a/x/c/d", "q"}) {
            IgnoreMatcher::Verdict verdict;
            bool first = true;
            for (std::size_t end = path.find('/');; end = path.find('/', end + 1)) {
                verdict = all.judge(std::string_view(path).substr(0, end), first ? nullptr : &verdict);
                first = false;
                if (end == std::string::npos) break;
            }
            EXPECT_EQ(verdict.ignored, all.ignores(path)) << path;
        }
    }
}

TEST(Dockerignore, ignored_directories_are_walked_only_where_something_may_be_kept) {
    EXPECT_FALSE(matcher({"node_modules"}).may_keep_below("node_modules"));
    EXPECT_FALSE(matcher({"node_modules", "!src/x"}).may_keep_below("node_modules"));
    EXPECT_TRUE(matcher({"node_modules", "!node_modules/x"}).may_keep_below("node_modules"));
    EXPECT_FALSE(matcher({"node_modules", "!node_modules/x/y"}).may_keep_below("node_modules/z"));
    EXPECT_TRUE(matcher({"node_modules", "!node_modules/*/y"}).may_keep_below("node_modules/z"));
    EXPECT_TRUE(matcher({"node_modules", "!**/y"}).may_keep_below("node_modules/z/a"));
    EXPECT_TRUE(matcher({"*", "!src"}).may_keep_below("src/a"));
    EXPECT_FALSE(matcher({"*", "!src"}).may_keep_below("lib"));
}

TEST(Dockerignore, what_a_class_keeps_behind_a_slash_is_walked_to) {
    for (const char* exception : {"!a[.-z]*", "!a[^x]b", "!?[.-z]b", "!a\\/b"}) {
        const auto patterns = matcher({"*", exception});
        EXPECT_FALSE(patterns.ignores("a/b")) << exception;
        EXPECT_TRUE(patterns.may_keep_below("a")) << exception;
        EXPECT_FALSE(patterns.may_keep_below("ba")) << exception;
    }
    EXPECT_FALSE(matcher({"*", "!ab[.-z]"}).may_keep_below("a"));
    EXPECT_FALSE(matcher({"*", "!a[b-z]*"}).may_keep_below("a"));
}

TEST(Dockerignore, all_but_keeps_what_is_named_and_what_leads_there) {
    std::vector<std::string> paths{"/src/*.c", "lib", "! odd ", "a//b/../c"};
    auto made = IgnoreMatcher::all_but(paths);
    ASSERT_TRUE(made);
    for (const char* kept : {"src/x.c", "lib", "lib/deep/y", "! odd ", "a/c", "a/c/d"})
        EXPECT_FALSE(made->ignores(kept)) << kept;
    for (const char* left : {"src", "src/x.h", "src/a/x.c", "libx", "odd", "a", "a/b"})
        EXPECT_TRUE(made->ignores(left)) << left;
    EXPECT_TRUE(made->may_keep_below("src"));
    EXPECT_TRUE(made->may_keep_below("a"));
    EXPECT_FALSE(made->may_keep_below("b"));
    EXPECT_FALSE(made->may_keep_below("src/a"));
    std::vector<std::string> all{"."};
    EXPECT_FALSE(IgnoreMatcher::all_but(all)->ignores("x/y"));
}

TEST(Dockerignore, a_malformed_pattern_is_told_in_one_line) {
    const std::vector<std::string> patterns = {std::string("[^x.\0\033&", 7)};
    auto parsed = IgnoreMatcher::parse(patterns);
    ASSERT_FALSE(parsed);
    EXPECT_EQ(parsed.error().text, "malformed pattern \"[^x.\\u0000\\u001b&\"");
    EXPECT_EQ(match_path("[\n", "x").error().text, "malformed pattern \"[\\n\"");
}

TEST(Dockerignore, a_hostile_pattern_takes_no_more_than_its_length_times_the_paths) {
    std::string pattern, path(4000, 'a');
    for (int i = 0; i < 200; ++i) pattern += "*a";
    EXPECT_FALSE(*match_path(pattern + "b", path));
    pattern.clear();
    for (int i = 0; i < 100; ++i) pattern += "**/a*";
    EXPECT_FALSE(matcher({pattern + "b"}).ignores(path));
}

}  // namespace
}  // namespace gantry::build
