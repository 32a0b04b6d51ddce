#include "core/cli/copy_paths.hpp"

#include <gtest/gtest.h>

namespace gantry::cli {

TEST(CopyPaths, arguments_name_a_container_or_are_local) {
    const std::tuple<const char*, const char*, const char*> cases[] = {
        {"c:/a", "c", "/a"}, {"c:a", "c", "a"}, {"c:", "c", ""},    {"/a:b", "", "/a:b"},    {"./c:a", "", "./c:a"},
        {"a/b", "", "a/b"},  {"-", "", "-"},    {":/a", "", ":/a"}, {"c:/a:b", "c", "/a:b"}, {"../x:y", "", "../x:y"}};
    for (const auto& [text, container, path] : cases) {
        EXPECT_EQ(parse_copy_argument(text).container, container) << text;
        EXPECT_EQ(parse_copy_argument(text).path, path) << text;
    }
}

TEST(CopyPaths, are_split_at_the_last_part) {
    const std::tuple<const char*, const char*, const char*> cases[] = {
        {"/a/b", "/a", "b"}, {"/a/b/", "/a", "b"},  {"/a/b/.", "/a/b", "."}, {"/", "/", "/"},
        {"/a", "/", "a"},    {"a", ".", "a"},       {"a/b", "a", "b"},       {".", ".", "."},
        {"..", ".", ".."},   {"/a/../b", "/", "b"}, {"a//b", "a", "b"},      {"/.", "/", "."}};
    for (const auto& [path, directory, name] : cases)
        EXPECT_EQ(split_last(path), (std::pair<std::string, std::string>(directory, name))) << path;
}

TEST(CopyPaths, plan_by_dockers_table) {
    const CopyEnd file{"f", true, false}, tree{"d", true, true};
    auto plan = [](const CopyEnd& source, const CopyEnd& target) {
        auto made = plan_copy(source, target);
        return made ? made->directory + "|" + made->name : "! " + made.error().text;
    };
    EXPECT_EQ(plan(file, {"/x", true, true}), "/x|");
    EXPECT_EQ(plan(file, {"/x/y", true, false}), "/x|y");
    EXPECT_EQ(plan(file, {"/x/new", false, false}), "/x|new");
    EXPECT_EQ(plan(file, {"/x/new/", false, false}), "! no such directory");
    EXPECT_EQ(plan(tree, {"/x", true, true}), "/x|");
    EXPECT_EQ(plan(tree, {"/x/y", true, false}), "! cannot copy directory");
    EXPECT_EQ(plan(tree, {"/x/new", false, false}), "/x|new");
    EXPECT_EQ(plan(tree, {"/x/new/", false, false}), "/x|new");
    EXPECT_EQ(plan(tree, {"/x/new/.", false, false}), "/x|new");
}

TEST(CopyPaths, members_are_renamed_and_strangers_refused) {
    auto named = [](const char* member, const char* from, const char* to) {
        auto name = renamed_member(member, from, to);
        return name ? *name : "!";
    };
    EXPECT_EQ(named("d/x", "d", ""), "d/x");
    EXPECT_EQ(named("d/x", "d", "e"), "e/x");
    EXPECT_EQ(named("d", "d", "e"), "e/");
    EXPECT_EQ(named("./x", ".", ""), "./x");
    EXPECT_EQ(named("./x", ".", "new"), "new/x");
    EXPECT_EQ(named("/etc/x", "/", ""), "./etc/x");
    EXPECT_EQ(named("/etc/x", "/", "root"), "root/etc/x");
    for (const char* stranger : {"dd/x", "x", "../d/x", "", "e"}) EXPECT_EQ(named(stranger, "d", ""), "!") << stranger;
}

}  // namespace gantry::cli
