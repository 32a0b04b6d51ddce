#include "core/build/key.hpp"

#include <gtest/gtest.h>

#include <set>

namespace gantry::build {
namespace {

Exec exec() {
    Exec e;
    e.argv = {"/bin/sh", "-c", "make"};
    e.env = {"A=1"};
    e.workdir = "/src";
    return e;
}

TEST(Key, everything_that_changes_the_result_changes_it) {
    std::set<std::string> keys;
    KeyInputs inputs{"layer:a", {}, {}, "linux/amd64", -1};
    auto fresh = [&](const Exec& e, const KeyInputs& in) { return keys.insert(key_of(e, in)).second; };
    EXPECT_TRUE(fresh(exec(), inputs));
    auto changed = [&](auto change) {
        Exec e = exec();
        change(e);
        return fresh(e, inputs);
    };
    EXPECT_TRUE(changed([](Exec& e) { e.argv[2] = "make all"; }));
    EXPECT_TRUE(changed([](Exec& e) { e.argv = {"/bin/sh", "-c make"}; }));
    EXPECT_TRUE(changed([](Exec& e) { e.env[0] = "A=2"; }));
    EXPECT_TRUE(changed([](Exec& e) { e.env.push_back("B="); }));
    EXPECT_TRUE(changed([](Exec& e) { e.workdir = "/"; }));
    EXPECT_TRUE(changed([](Exec& e) { e.user = "app"; }));
    EXPECT_TRUE(changed([](Exec& e) { e.network = Exec::Network::none; }));
    EXPECT_TRUE(changed([](Exec& e) { e.insecure = true; }));
    EXPECT_TRUE(changed([](Exec& e) { e.mounts.resize(1); }));
    EXPECT_TRUE(changed([](Exec& e) {
        e.mounts.resize(1);
        e.mounts[0].target = "/m";
    }));
    for (auto in :
         {KeyInputs{"layer:b", {}, {}, "linux/amd64", -1}, KeyInputs{"layer:a", {{0, "x"}}, {}, "linux/amd64", -1},
          KeyInputs{"layer:a", {{1, "x"}}, {}, "linux/amd64", -1},
          KeyInputs{"layer:a", {}, {"h:1.2.3.4"}, "linux/amd64", -1}, KeyInputs{"layer:a", {}, {}, "linux/arm64", -1},
          KeyInputs{"layer:a", {}, {}, "linux/amd64", 0}})
        EXPECT_TRUE(fresh(exec(), in));
    EXPECT_FALSE(fresh(exec(), inputs));
}

TEST(Key, proxies_are_no_part_of_it) {
    KeyInputs inputs;
    Exec with = exec();
    with.unkeyed_env = {"HTTP_PROXY=http://user:password@proxy"};
    EXPECT_EQ(key_of(exec(), inputs), key_of(with, inputs));
}

TEST(Key, bytes_that_are_no_text_make_a_difference) {
    KeyInputs inputs;
    Exec a = exec(), b = exec();
    a.env = {"A=\xff"};
    b.env = {"A=\xfe"};
    EXPECT_NE(key_of(a, inputs), key_of(b, inputs));
}

TEST(Key, what_a_copy_does_is_part_of_it) {
    std::set<std::string> keys;
    KeyInputs inputs;
    auto fresh = [&](auto change) {
        CopyAction copy;
        copy.sources = {"a"};
        copy.destination = "/x";
        change(copy);
        FileChange files;
        files.actions = {copy};
        return keys.insert(key_of(files, inputs)).second;
    };
    EXPECT_TRUE(fresh([](CopyAction&) {}));
    EXPECT_TRUE(fresh([](CopyAction& c) { c.destination = "/x/"; }));
    EXPECT_TRUE(fresh([](CopyAction& c) { c.owner.text = "1"; }));
    EXPECT_TRUE(fresh([](CopyAction& c) { c.mode = "0600"; }));
    EXPECT_TRUE(fresh([](CopyAction& c) { c.parents = true; }));
    EXPECT_TRUE(fresh([](CopyAction& c) { c.unpack = true; }));
    EXPECT_TRUE(fresh([](CopyAction& c) { c.link = true; }));
    EXPECT_TRUE(fresh([](CopyAction& c) { c.exclude = {"b"}; }));
    EXPECT_TRUE(fresh([](CopyAction& c) { c.inline_files = {{"f", "1"}}; }));
    EXPECT_TRUE(fresh([](CopyAction& c) { c.inline_files = {{"f", "2"}}; }));
}

}  // namespace
}  // namespace gantry::build
