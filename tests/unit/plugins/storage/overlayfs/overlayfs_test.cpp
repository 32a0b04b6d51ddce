// The layer driver "overlayfs" as the engine uses it: through its table, loaded from its file, mounted by the kernel.
#include <gtest/gtest.h>
#include <linux/mount.h>
#include <sys/syscall.h>

#include <chrono>

#include <gantry/driver.hpp>

#include "plugins/storage/common/overlay_marks.hpp"
#include "tests/unit/plugins/storage/one_driver.hpp"
#include "tests/unit/plugins/storage/tar_maker.hpp"

namespace gantry {
namespace {

using test::content_of;
using test::TarMaker;

struct Overlayfs : ::testing::Test {
    test::Scratch scratch;
    std::unique_ptr<driver::Registry> registry;
    std::shared_ptr<driver::Driver> layers;

    void SetUp() override {
        REQUIRE_ROOT();
        open();
    }
    void open() {
        layers.reset();
        registry.reset();
        registry = test::registry_with(scratch, "overlayfs");
        auto found = registry->get(driver::Kind::layer, "overlayfs");
        ASSERT_TRUE(found) << found.error().text;
        layers = *found;
    }
    Result<driver::Reply> call(const char* operation, Json request, std::vector<driver::NamedFd> fds = {}) {
        return layers->call("layer/1", operation, std::move(request), std::move(fds));
    }
    void ok(const char* operation, Json request, std::vector<driver::NamedFd> fds = {}) {
        auto reply = call(operation, std::move(request), std::move(fds));
        ASSERT_TRUE(reply) << operation << ": " << reply.error().text;
    }
    Code code(const char* operation, Json request) {
        auto reply = call(operation, std::move(request));
        EXPECT_FALSE(reply);
        return reply ? Code::internal : reply.error().code;
    }
    std::string state(const std::string& key) {
        return member<std::string>(call("stat", {{"key", key}})->result, "state");
    }
    void commit_layer(const std::string& name, const std::string& parent, const std::string& tar) {
        ok("prepare", {{"key", "work"}, {"parent", parent}});
        UniqueFd stream = test::stream_of(tar);
        ok("apply", {{"key", "work"}}, {{"tar", stream.get()}});
        ok("commit", {{"key", "work"}, {"name", name}});
    }
    // Mounts the plan as the runtime does, one fsconfig key each.
    static void mount_at(const Json& mounts, const std::string& target) {
        std::filesystem::create_directories(target);
        ASSERT_EQ(mounts.size(), 1u);
        const Json& plan = mounts[0];
        if (plan["type"] == "bind") {
            ASSERT_EQ(::mount(plan["source"].get<std::string>().c_str(), target.c_str(), nullptr, MS_BIND, nullptr), 0);
            return;
        }
        UniqueFd context(::fsopen("overlay", FSOPEN_CLOEXEC));
        for (const Json& lower : plan["lower"])
            ASSERT_EQ(::fsconfig(context.get(), FSCONFIG_SET_STRING, "lowerdir+", lower.get<std::string>().c_str(), 0),
                      0);
        if (!plan["upper"].get<std::string>().empty()) {
            ASSERT_EQ(
                ::fsconfig(context.get(), FSCONFIG_SET_STRING, "upperdir", plan["upper"].get<std::string>().c_str(), 0),
                0);
            ASSERT_EQ(
                ::fsconfig(context.get(), FSCONFIG_SET_STRING, "workdir", plan["work"].get<std::string>().c_str(), 0),
                0);
        }
        for (const Json& option : plan["fs_options"]) {
            const std::string text = option.get<std::string>();
            const std::size_t equals = text.find('=');
            ASSERT_EQ(::fsconfig(context.get(), FSCONFIG_SET_STRING, text.substr(0, equals).c_str(),
                                 text.substr(equals + 1).c_str(), 0),
                      0)
                << text;
        }
        ASSERT_EQ(::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0), 0);
        UniqueFd mount(::fsmount(context.get(), FSMOUNT_CLOEXEC, 0));
        ASSERT_TRUE(mount);
        ASSERT_EQ(::move_mount(mount.get(), "", AT_FDCWD, target.c_str(), MOVE_MOUNT_F_EMPTY_PATH), 0);
    }
};

struct Mounted {
    std::string path;
    ~Mounted() { ::umount2(path.c_str(), MNT_DETACH); }
};

}  // namespace

TEST_F(Overlayfs, layers_stack_write_and_diff) {
    commit_layer("base", "",
                 TarMaker().directory("etc").file("etc/a", "base").file("etc/b", "base").file("etc/c", "base").done());
    commit_layer(
        "middle", "base",
        TarMaker().file("etc/a", "middle").file("etc/.wh.b", "").directory("new").file("new/.wh..wh..opq", "").done());
    auto reply = call("prepare", {{"key", "container/../1"}, {"parent", "middle"}, {"labels", {{"l", "v"}}}});
    ASSERT_TRUE(reply) << reply.error().text;
    Mounted merged{scratch / "merged"};
    mount_at(reply->result["mounts"], merged.path);
    EXPECT_EQ(content_of(merged.path + "/etc/a"), "middle");
    EXPECT_FALSE(test::is_there(merged.path + "/etc/b"));
    EXPECT_EQ(content_of(merged.path + "/etc/c"), "base");
    test::write_text(merged.path + "/etc/d", "mine");
    std::filesystem::remove(merged.path + "/etc/c");

    auto changes = call("changes", {{"key", "container/../1"}});
    ASSERT_TRUE(changes);
    EXPECT_EQ(
        changes->result["changes"].dump(),
        R"([{"kind":"modified","path":"/etc"},{"kind":"deleted","path":"/etc/c"},{"kind":"added","path":"/etc/d"}])");
    UniqueFd diff(::memfd_create("diff", MFD_CLOEXEC));
    ok("diff", {{"key", "container/../1"}}, {{"tar", diff.get()}});
    ::lseek(diff.get(), 0, SEEK_SET);
    ok("prepare", {{"key", "copy"}, {"parent", "middle"}});
    ok("apply", {{"key", "copy"}}, {{"tar", diff.get()}});
    ok("commit", {{"key", "copy"}, {"name", "third"}});
    auto view = call("view", {{"key", "look"}, {"parent", "third"}});
    ASSERT_TRUE(view);
    Mounted seen{scratch / "seen"};
    mount_at(view->result["mounts"], seen.path);
    EXPECT_EQ(content_of(seen.path + "/etc/d"), "mine");
    EXPECT_FALSE(test::is_there(seen.path + "/etc/c"));
}

TEST_F(Overlayfs, states_follow_the_contract) {
    commit_layer("base", "", TarMaker().file("f").done());
    EXPECT_EQ(state("base"), "committed");
    EXPECT_EQ(state("nothing"), "absent");
    ok("prepare", {{"key", "c"}, {"parent", "base"}, {"labels", {{"k", "v"}}}});
    auto first = call("mounts", {{"key", "c"}}), again = call("prepare", {{"key", "c"}, {"parent", "base"}});
    ASSERT_TRUE(first && again);
    EXPECT_EQ(first->result, again->result);
    EXPECT_EQ(call("stat", {{"key", "c"}})->result["labels"]["k"], "v");
    EXPECT_EQ(code("prepare", {{"key", "c"}, {"parent", ""}}), Code::conflict);
    EXPECT_EQ(code("prepare", {{"key", "base"}, {"parent", ""}}), Code::conflict);
    EXPECT_EQ(code("prepare", {{"key", "d"}, {"parent", "c"}}), Code::not_found) << "an active layer is no parent";
    EXPECT_EQ(code("mounts", {{"key", "nothing"}}), Code::not_found);
    EXPECT_EQ(code("commit", {{"key", "nothing"}, {"name", "n"}}), Code::not_found);
    ok("commit", {{"key", "c"}, {"name", "child"}});
    ok("commit", {{"key", "c"}, {"name", "child"}});
    ok("prepare", {{"key", "c"}, {"parent", "base"}});
    ok("commit", {{"key", "c"}, {"name", "child"}});
    EXPECT_EQ(state("c"), "absent");
    ok("prepare", {{"key", "c"}, {"parent", ""}});
    EXPECT_EQ(code("commit", {{"key", "c"}, {"name", "child"}}), Code::conflict);
    for (int i = 0; i < 2; ++i)
        for (const char* key : {"c", "child", "base"}) ok("remove", {{"key", key}});
    EXPECT_EQ(call("list", Json::object())->result["keys"].size(), 0u);
    ok("cleanup", Json::object());
    for (const char* directory : {"active", "committed", "trash"})
        EXPECT_TRUE(std::filesystem::is_empty(scratch / ("root/drivers/overlayfs/" + std::string(directory))))
            << directory;
}

TEST_F(Overlayfs, a_restart_needs_nothing_but_the_files) {
    commit_layer("base", "", TarMaker().file("f").done());
    commit_layer("top", "base", TarMaker().file("g").done());
    ok("prepare", {{"key", "c"}, {"parent", "top"}});
    const Json before = call("mounts", {{"key", "c"}})->result;
    open();
    EXPECT_EQ(call("mounts", {{"key", "c"}})->result, before);
    EXPECT_EQ(before["mounts"][0]["lower"].size(), 2u);
    EXPECT_EQ(state("top"), "committed");
    auto keys = call("list", Json::object())->result["keys"].get<std::set<std::string>>();
    EXPECT_EQ(keys, (std::set<std::string>{"base", "top", "c"}));
}

TEST_F(Overlayfs, half_made_layers_of_earlier_runs_are_cleaned_up_and_never_in_the_way) {
    ok("prepare", {{"key", "c"}, {"parent", ""}});
    std::string made;
    for (const auto& entry : std::filesystem::directory_iterator(scratch / "root/drivers/overlayfs/active"))
        made = entry.path();
    test::write_text(made + "/fs/left", "x");
    std::filesystem::remove(made + "/state");
    EXPECT_EQ(state("c"), "absent");
    ok("prepare", {{"key", "c"}, {"parent", ""}});
    EXPECT_FALSE(test::is_there(made + "/fs/left"));
    test::write_text(made + "/state", "{\"key\":");  // written in part
    EXPECT_EQ(state("c"), "absent");
    ok("cleanup", Json::object());
    EXPECT_FALSE(test::is_there(made));
}

TEST_F(Overlayfs, an_opaque_root_ends_the_stack) {
    commit_layer("base", "", TarMaker().file("old").done());
    commit_layer("fresh", "base", TarMaker().file(".wh..wh..opq", "").file("new").done());
    auto view = call("view", {{"key", "v"}, {"parent", "fresh"}});
    ASSERT_TRUE(view);
    EXPECT_EQ(view->result["mounts"][0]["type"], "bind");
}

TEST_F(Overlayfs, the_root_directory_keeps_mode_and_owner_in_containers) {
    test::TarEntry root{"./", '5'};
    root.mode = 0711;
    root.uid = 7;
    commit_layer("base", "", TarMaker().add(root).done());
    auto reply = call("prepare", {{"key", "c"}, {"parent", "base"}});
    ASSERT_TRUE(reply);
    struct stat info = test::info_of(reply->result["mounts"][0]["upper"].get<std::string>());
    EXPECT_EQ(info.st_mode & 07777u, 0711u);
    EXPECT_EQ(info.st_uid, 7u);
}

// Everything about a tree that a container could see, one line an entry.
static std::string listing(const std::string& root) {
    std::set<std::string> lines;
    auto line = [&](const std::string& path) {
        const struct stat info = test::info_of(path);
        std::string text = path.substr(root.size()) + " " + std::to_string(info.st_mode) + " " +
                           std::to_string(info.st_uid) + ":" + std::to_string(info.st_gid);
        // The root's own time is that of the last entry made in it, a whiteout's that at which it was made.
        if (path != root && !S_ISCHR(info.st_mode)) text += " " + std::to_string(info.st_mtim.tv_sec);
        if (S_ISREG(info.st_mode)) text += " " + content_of(path);
        if (S_ISDIR(info.st_mode) && storage::is_opaque(test::open_directory(path).get())) text += " opaque";
        lines.insert(text);
    };
    line(root);
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) line(entry.path());
    std::string all;
    for (const std::string& text : lines) all += text + "\n";
    return all;
}

TEST_F(Overlayfs, a_layer_put_on_its_parent_later_is_as_one_unpacked_over_it) {
    test::TarEntry root{"./", '5'}, etc{"etc/", '5'}, deep{"a/b/", '5'};
    root.mode = 0711;
    root.uid = 7;
    etc.mode = 0750;
    etc.uid = 5;
    etc.gid = 6;
    etc.mtime = 1'111'111'111;
    deep.mode = 02775;
    deep.mtime = 1'222'222'222;
    commit_layer("base", "", TarMaker().add(root).add(etc).add(deep).file("gone").file("was/file").done());
    test::TarEntry own{"own/", '5'}, listed_root{"./", '5'}, late{"late/", '5'};
    own.mode = 0700;
    listed_root.mode = 0777;
    late.mode = 0705;
    const std::string uppers[] = {
        // Directories that only the base lists, at two depths, and one that nobody does.
        TarMaker().file("etc/x", "1").file("a/b/c/d", "2").file("nobody/y", "3").done(),
        TarMaker().add(listed_root).add(own).file("own/x").file(".wh.gone", "").file("etc/.wh..wh..opq", "").done(),
        // Listed only after what lies in it, and replaced by something else.
        TarMaker().file("late/x").add(late).file("etc/x").file("etc", "a file now").file("a/z").done(),
        TarMaker().file("was/.wh.file", "").symlink("link", "etc").file("link/through", "4").done(),
        std::string(1024, '\0'),
    };
    for (std::size_t i = 0; i < std::size(uppers); ++i) {
        const std::string number = std::to_string(i);
        commit_layer("over" + number, "base", uppers[i]);
        ok("prepare", {{"key", "later"}, {"parent", ""}});
        UniqueFd stream = test::stream_of(uppers[i]);
        ok("apply", {{"key", "later"}}, {{"tar", stream.get()}});
        ok("commit", {{"key", "later"}, {"name", "later" + number}, {"parent", "base"}});
        std::string roots[2];
        for (int which = 0; which < 2; ++which) {
            const std::string key = (which == 0 ? "over" : "later") + number;
            auto view = call("view", {{"key", "v" + key}, {"parent", key}});
            ASSERT_TRUE(view) << view.error().text;
            ASSERT_EQ(view->result["mounts"][0]["lower"].size(), 2u) << key;
            roots[which] = view->result["mounts"][0]["lower"][0];
        }
        EXPECT_EQ(listing(roots[1]), listing(roots[0])) << "archive " << i;
        EXPECT_EQ(call("stat", {{"key", "later" + number}})->result["parent"], "base");
        EXPECT_FALSE(test::is_there(roots[1] + "/../implied"));
    }
    EXPECT_EQ(code("remove", {{"key", "base"}}), Code::conflict);
    open();
    EXPECT_EQ(call("changes", {{"key", "later0"}})->result, call("changes", {{"key", "over0"}})->result);
}

TEST_F(Overlayfs, stacks_many_layers) {
    std::string parent;
    for (int i = 0; i < 200; ++i) {
        const std::string name = "layer" + std::to_string(i);
        ok("prepare", {{"key", "w"}, {"parent", parent}});
        ok("commit", {{"key", "w"}, {"name", name}});
        parent = name;
    }
    auto reply = call("prepare", {{"key", "c"}, {"parent", parent}});
    ASSERT_TRUE(reply);
    Mounted merged{scratch / "merged"};
    mount_at(reply->result["mounts"], merged.path);
}

TEST_F(Overlayfs, a_large_layer_is_gone_at_once_and_deleted_by_cleanup) {
    TarMaker maker;
    for (int i = 0; i < 1000; ++i) maker.file("f" + std::to_string(i));
    commit_layer("large", "", maker.done());
    EXPECT_EQ(call("usage", {{"key", "large"}})->result["bytes"], 1000);
    ok("remove", {{"key", "large"}});
    EXPECT_EQ(state("large"), "absent");
    EXPECT_GT(call("cleanup", Json::object())->result["reclaimed_bytes"].get<std::int64_t>(), 800 * 4096);
    EXPECT_TRUE(std::filesystem::is_empty(scratch / "root/drivers/overlayfs/trash"));
}

TEST_F(Overlayfs, keeps_a_layer_that_others_stand_on) {
    commit_layer("base", "", TarMaker().file("f").done());
    commit_layer("top", "base", TarMaker().file("g").done());
    ok("prepare", {{"key", "container"}, {"parent", "top"}});
    EXPECT_EQ(code("remove", {{"key", "base"}}), Code::conflict);
    EXPECT_EQ(code("remove", {{"key", "top"}}), Code::conflict);
    EXPECT_EQ(state("top"), "committed");
    ok("remove", {{"key", "container"}});
    ok("remove", {{"key", "top"}});
    ok("remove", {{"key", "base"}});
    EXPECT_EQ(state("base"), "absent");
}

TEST_F(Overlayfs, prepares_and_removes_quickly) {
    commit_layer("base", "", TarMaker().file("f").done());
    std::vector<double> prepare, remove;
    for (int i = 0; i < 300; ++i) {
        const std::string key = "container" + std::to_string(i);
        auto begin = std::chrono::steady_clock::now();
        auto reply = call("prepare", {{"key", key}, {"parent", "base"}});
        auto middle = std::chrono::steady_clock::now();
        ASSERT_TRUE(reply);
        // What an overlay mount leaves in the work directory.
        std::filesystem::create_directory(reply->result["mounts"][0]["work"].get<std::string>() + "/work");
        auto next = std::chrono::steady_clock::now();
        ok("remove", {{"key", key}});
        auto end = std::chrono::steady_clock::now();
        prepare.push_back(std::chrono::duration<double, std::micro>(middle - begin).count());
        remove.push_back(std::chrono::duration<double, std::micro>(end - next).count());
    }
    std::sort(prepare.begin(), prepare.end());
    std::sort(remove.begin(), remove.end());
    std::printf("prepare %.0f us, remove %.0f us (medians)\n", prepare[150], remove[150]);
    RecordProperty("prepare_us", static_cast<int>(prepare[150]));
    RecordProperty("remove_us", static_cast<int>(remove[150]));
}

}  // namespace gantry
