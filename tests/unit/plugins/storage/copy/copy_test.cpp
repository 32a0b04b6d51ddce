// The layer driver "copy" against the kernel's own idea of stacked layers: what "overlayfs" shows, it shows.
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/xattr.h>

#include <gantry/driver.hpp>

#include "plugins/storage/common/copy_tree.hpp"
#include "tests/unit/plugins/storage/one_driver.hpp"
#include "tests/unit/plugins/storage/tar_maker.hpp"

namespace gantry {
namespace {

using test::content_of;
using test::TarEntry;
using test::TarMaker;

struct Copy : ::testing::Test {
    test::Scratch scratch;
    std::unique_ptr<driver::Registry> registries[2];
    std::shared_ptr<driver::Driver> overlayfs, copy;

    void SetUp() override {
        REQUIRE_ROOT();
        open();
    }
    void open() {
        overlayfs = open_one(0, "overlayfs");
        copy = open_one(1, "copy");
    }
    std::shared_ptr<driver::Driver> open_one(int which, const std::string& name) {
        registries[which] = test::registry_with(scratch, name);
        auto found = registries[which]->get(driver::Kind::layer, name);
        EXPECT_TRUE(found) << found.error().text;
        return found ? *found : nullptr;
    }
    static Json ok(driver::Driver& layers, const char* operation, Json request, std::vector<driver::NamedFd> fds = {}) {
        auto reply = layers.call("layer/1", operation, std::move(request), std::move(fds));
        EXPECT_TRUE(reply) << operation << ": " << reply.error().text;
        return reply ? reply->result : Json::object();
    }
    void commit_layer(driver::Driver& layers, const std::string& name, const std::string& parent,
                      const std::string& tar) {
        ok(layers, "prepare", {{"key", "work"}, {"parent", parent}});
        UniqueFd stream = test::stream_of(tar);
        ok(layers, "apply", {{"key", "work"}}, {{"tar", stream.get()}});
        ok(layers, "commit", {{"key", "work"}, {"name", name}});
    }
    // A new active layer, mounted at its key.
    std::string mounted(driver::Driver& layers, const std::string& key, const std::string& parent) {
        const Json plan = ok(layers, "prepare", {{"key", key}, {"parent", parent}})["mounts"][0];
        const std::string target = scratch.make(key);
        if (plan["type"] == "bind") {
            EXPECT_EQ(::mount(plan["source"].get<std::string>().c_str(), target.c_str(), nullptr, MS_BIND, nullptr), 0);
            return target;
        }
        std::string lowers;
        for (const Json& lower : plan["lower"]) lowers += (lowers.empty() ? "" : ":") + lower.get<std::string>();
        const std::string options = "lowerdir=" + lowers + ",upperdir=" + plan["upper"].get<std::string>() +
                                    ",workdir=" + plan["work"].get<std::string>() + ",redirect_dir=off,metacopy=off";
        EXPECT_EQ(::mount("overlay", target.c_str(), "overlay", 0, options.c_str()), 0) << options;
        return target;
    }
};

struct Unmount {
    std::string path;
    ~Unmount() { ::umount2(path.c_str(), MNT_DETACH); }
};

std::string listing(const std::string& root) {
    std::set<std::string> lines;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
        const std::string path = entry.path();
        const struct stat info = test::info_of(path);
        std::string text = path.substr(root.size()) + " " + std::to_string(info.st_mode) + " " +
                           std::to_string(info.st_uid) + ":" + std::to_string(info.st_gid) + " " +
                           std::to_string(info.st_mtim.tv_sec) + " " + std::to_string(info.st_rdev);
        if (S_ISREG(info.st_mode)) text += " " + content_of(path);
        if (S_ISLNK(info.st_mode)) text += " -> " + std::filesystem::read_symlink(path).string();
        lines.insert(text);
    }
    std::string all;
    for (const std::string& line : lines) all += line + "\n";
    return all;
}

}  // namespace

TEST_F(Copy, shows_what_overlayfs_shows) {
    TarEntry etc{"etc/", '5'}, tool{"bin/tool", '0', "#!"}, null{"dev/null", '3'}, capable{"bin/ping", '0', "ping"};
    etc.mode = 0750;
    etc.uid = 5;
    tool.mode = 04755;
    null.major = 1;
    null.minor = 3;
    capable.pax = {{"SCHILY.xattr.user.note", "kept"}};
    const std::string base = TarMaker()
                                 .add(etc)
                                 .add(tool)
                                 .add(null)
                                 .add(capable)
                                 .file("etc/a", "base")
                                 .file("etc/b", "base")
                                 .file("opq/old/deep", "base")
                                 .file("opq/kept", "base")
                                 .file("dir/inside", "base")
                                 .file("file", "base")
                                 .hardlink("bin/tool2", "bin/tool")
                                 .symlink("link", "etc/a")
                                 .done();
    const std::string uppers[] = {
        TarMaker().file("etc/.wh.b", "").file("etc/a", "upper").file("bin/tool", "new").done(),
        TarMaker().file("opq/.wh..wh..opq", "").file("opq/old/new", "upper").done(),
        // The mark comes after what the same layer puts there.
        TarMaker().file("opq/old/new", "upper").file("opq/own", "upper").file("opq/.wh..wh..opq", "").done(),
        TarMaker().directory("dir", 0700).file("dir/new", "upper").file(".wh.dir", "").done(),
        TarMaker().file(".wh.dir", "").directory("dir", 0711).file("dir/new", "upper").done(),
        // A file where a directory was, and the other way round.
        TarMaker().file("dir", "a file").directory("file").file("file/inside", "upper").done(),
        TarMaker().symlink("etc", "opq").file("bin/tool2", "upper").file(".wh.absent", "").done(),
    };
    commit_layer(*overlayfs, "base", "", base);
    commit_layer(*copy, "base", "", base);
    for (std::size_t i = 0; i < std::size(uppers); ++i) {
        const std::string number = std::to_string(i);
        commit_layer(*overlayfs, "top" + number, "base", uppers[i]);
        commit_layer(*copy, "top" + number, "base", uppers[i]);
        Unmount expected{mounted(*overlayfs, "overlay-" + number, "top" + number)};
        Unmount seen{mounted(*copy, "copy-" + number, "top" + number)};
        EXPECT_EQ(listing(seen.path), listing(expected.path)) << "layer " << i;
    }
    EXPECT_EQ(test::info_of(mounted(*copy, "c", "base") + "/bin/tool").st_nlink, 2u);
    Unmount c{scratch / "c"};
    char value[16] = {};
    EXPECT_EQ(::lgetxattr((c.path + "/bin/ping").c_str(), "user.note", value, sizeof value), 4);
}

TEST_F(Copy, changes_and_diff_are_what_was_written) {
    const std::string base = TarMaker()
                                 .directory("etc")
                                 .file("etc/same", "base")
                                 .file("etc/changed", "base")
                                 .file("etc/gone", "base")
                                 .file("etc/touched", "base")
                                 .file("quiet/file", "base")
                                 .done();
    commit_layer(*copy, "base", "", base);
    Unmount c{mounted(*copy, "c", "base")};
    EXPECT_EQ(ok(*copy, "changes", {{"key", "c"}})["changes"].dump(), "[]");
    EXPECT_EQ(ok(*copy, "usage", {{"key", "c"}})["bytes"], 0);
    ::usleep(20'000);  // the kernel's clock for files has moved on
    const struct stat before = test::info_of(c.path + "/etc/changed");
    std::filesystem::remove(c.path + "/etc/changed");
    test::write_text(c.path + "/etc/changed", "BASE");
    // As large as before and with the old time.
    const timespec times[2] = {before.st_mtim, before.st_mtim};
    ::utimensat(AT_FDCWD, (c.path + "/etc/changed").c_str(), times, 0);
    ::chmod((c.path + "/etc/changed").c_str(), before.st_mode);
    ::chmod((c.path + "/etc/touched").c_str(), 0600);
    std::filesystem::remove(c.path + "/etc/gone");
    std::filesystem::create_directories(c.path + "/new/dir");
    test::write_text(c.path + "/new/dir/file", "12345");
    EXPECT_EQ(ok(*copy, "changes", {{"key", "c"}})["changes"].dump(),
              R"([{"kind":"modified","path":"/etc"},{"kind":"modified","path":"/etc/changed"},)"
              R"({"kind":"deleted","path":"/etc/gone"},{"kind":"modified","path":"/etc/touched"},)"
              R"({"kind":"added","path":"/new"},{"kind":"added","path":"/new/dir"},)"
              R"({"kind":"added","path":"/new/dir/file"}])");
    EXPECT_EQ(ok(*copy, "usage", {{"key", "c"}})["bytes"], 4 + 4 + 5);

    UniqueFd tar(::memfd_create("diff", MFD_CLOEXEC));
    ok(*copy, "diff", {{"key", "c"}}, {{"tar", tar.get()}});
    for (driver::Driver* layers : {copy.get(), overlayfs.get()}) {
        if (layers == overlayfs.get()) commit_layer(*layers, "base", "", base);
        ::lseek(tar.get(), 0, SEEK_SET);
        ok(*layers, "prepare", {{"key", "again"}, {"parent", "base"}});
        ok(*layers, "apply", {{"key", "again"}}, {{"tar", tar.get()}});
        ok(*layers, "commit", {{"key", "again"}, {"name", "again"}});
        const std::string key = layers == copy.get() ? "seen-copy" : "seen-overlay";
        Unmount seen{mounted(*layers, key, "again")};
        EXPECT_EQ(content_of(seen.path + "/etc/changed"), "BASE");
        EXPECT_EQ(content_of(seen.path + "/new/dir/file"), "12345");
        EXPECT_EQ(content_of(seen.path + "/quiet/file"), "base");
        EXPECT_FALSE(test::is_there(seen.path + "/etc/gone"));
        EXPECT_EQ(test::info_of(seen.path + "/etc/touched").st_mode & 07777u, 0600u);
    }
}

TEST_F(Copy, a_restart_needs_nothing_but_the_files) {
    commit_layer(*copy, "base", "", TarMaker().file("f").done());
    ok(*copy, "prepare", {{"key", "c"}, {"parent", "base"}});
    const Json before = ok(*copy, "mounts", {{"key", "c"}});
    open();
    EXPECT_EQ(ok(*copy, "mounts", {{"key", "c"}}), before);
    EXPECT_EQ(ok(*copy, "changes", {{"key", "c"}})["changes"].dump(), "[]");
    EXPECT_EQ(copy->call("layer/1", "remove", {{"key", "base"}}).error().code, Code::conflict);
}

TEST_F(Copy, keeps_holes_and_long_files) {
    const std::string from = scratch.make("from"), to = scratch.make("to");
    UniqueFd file(::open((from + "/sparse").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    ASSERT_EQ(::pwrite(file.get(), "middle", 6, 64 << 20), 6);
    ASSERT_EQ(::ftruncate(file.get(), 256 << 20), 0);
    UniqueFd in = test::open_directory(from), out = test::open_directory(to);
    auto copied = storage::copy_tree(in.get(), out.get(), nullptr);
    ASSERT_TRUE(copied) << copied.error().text;
    const struct stat info = test::info_of(to + "/sparse");
    EXPECT_EQ(info.st_size, 256 << 20);
    EXPECT_LT(info.st_blocks, 1024);
    UniqueFd again(::open((to + "/sparse").c_str(), O_RDONLY | O_CLOEXEC));
    char text[6];
    ASSERT_EQ(::pread(again.get(), text, 6, 64 << 20), 6);
    EXPECT_EQ(std::string(text, 6), "middle");
}

}  // namespace gantry
