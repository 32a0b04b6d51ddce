// What honest layers need from apply_tar.
#include "plugins/storage/common/tar_apply.hpp"

#include <gtest/gtest.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "plugins/storage/common/overlay_marks.hpp"
#include "tests/unit/plugins/storage/scratch.hpp"
#include "tests/unit/plugins/storage/tar_maker.hpp"

namespace gantry::storage {
namespace {

using test::content_of;
using test::info_of;
using test::TarEntry;
using test::TarMaker;

struct TarApply : ::testing::Test {
    test::Scratch scratch;
    std::string root = scratch.make("root");
    std::string error;

    void SetUp() override { REQUIRE_ROOT(); }

    bool apply(const std::string& tar, std::vector<int> lowers = {}, ApplyLimits limits = {}) {
        UniqueFd directory = test::open_directory(root), stream = test::stream_of(tar);
        auto result = apply_tar(stream.get(), {directory.get(), std::move(lowers)}, limits, nullptr);
        error = result ? "" : result.error().text;
        return static_cast<bool>(result);
    }
    std::string at(const std::string& name) const { return root + "/" + name; }
    bool opaque(const std::string& name) const { return is_opaque(test::open_directory(at(name)).get()); }
    bool whiteout(const std::string& name) const { return is_whiteout(info_of(at(name))); }
};

std::string xattr(const std::string& path, const char* name) {
    char value[256];
    ssize_t n = ::lgetxattr(path.c_str(), name, value, sizeof value);
    return n < 0 ? "(none)" : std::string(value, static_cast<std::size_t>(n));
}

}  // namespace

TEST_F(TarApply, keeps_content_modes_owners_and_times) {
    TarEntry file{"bin/tool", '0', "hello"};
    file.mode = 04755;
    file.uid = 12;
    file.gid = 34;
    file.mtime = 1'234'567'890;
    TarEntry directory{"bin/", '5'};
    directory.mode = 01777;
    directory.mtime = 987'654'321;
    ASSERT_TRUE(apply(TarMaker().add(directory).add(file).done())) << error;
    struct stat info = info_of(at("bin/tool"));
    EXPECT_EQ(content_of(at("bin/tool")), "hello");
    EXPECT_EQ(info.st_mode & 07777u, 04755u);
    EXPECT_EQ(info.st_uid, 12u);
    EXPECT_EQ(info.st_gid, 34u);
    EXPECT_EQ(info.st_mtim.tv_sec, 1'234'567'890);
    EXPECT_EQ(info_of(at("bin")).st_mode & 07777u, 01777u);
    EXPECT_EQ(info_of(at("bin")).st_mtim.tv_sec, 987'654'321);
}

TEST_F(TarApply, makes_links_and_nodes) {
    TarEntry null{"dev/null", '3'};
    null.major = 1;
    null.minor = 3;
    null.mode = 0666;
    ASSERT_TRUE(apply(
        TarMaker().file("a", "1").hardlink("b", "a").symlink("c", "/etc/passwd").add(null).add({"pipe", '6'}).done()))
        << error;
    EXPECT_EQ(info_of(at("a")).st_ino, info_of(at("b")).st_ino);
    EXPECT_EQ(std::filesystem::read_symlink(at("c")), "/etc/passwd");
    EXPECT_TRUE(S_ISCHR(info_of(at("dev/null")).st_mode));
    EXPECT_EQ(info_of(at("dev/null")).st_rdev, makedev(1, 3));
    EXPECT_EQ(info_of(at("dev/null")).st_mode & 0777u, 0666u);
    EXPECT_TRUE(S_ISFIFO(info_of(at("pipe")).st_mode));
}

TEST_F(TarApply, keeps_capabilities_and_user_attributes_only) {
    const std::string capability("\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
                                 20);
    TarEntry file{"ping", '0', "x"};
    file.pax = {{"SCHILY.xattr.security.capability", capability}, {"SCHILY.xattr.user.note", "kept"},
                {"SCHILY.xattr.trusted.overlay.redirect", "/.."}, {"SCHILY.xattr.user.overlay.opaque", "y"},
                {"SCHILY.xattr.security.selinux", "label"},       {"SCHILY.xattr.trusted.overlay.metacopy", ""}};
    TarEntry directory{"dir", '5'};
    directory.pax = {{"SCHILY.xattr.trusted.overlay.opaque", "y"}};
    ASSERT_TRUE(apply(TarMaker().add(file).add(directory).done())) << error;
    EXPECT_EQ(xattr(at("ping"), "security.capability"), capability);
    EXPECT_EQ(xattr(at("ping"), "user.note"), "kept");
    for (const char* dropped : {"trusted.overlay.redirect", "user.overlay.opaque", "trusted.overlay.metacopy"})
        EXPECT_EQ(xattr(at("ping"), dropped), "(none)");
    EXPECT_NE(xattr(at("ping"), "security.selinux"), "label");
    EXPECT_FALSE(opaque("dir"));
}

TEST_F(TarApply, turns_whiteouts_into_overlay_marks) {
    ASSERT_TRUE(apply(TarMaker()
                          .directory("d")
                          .file("d/.wh.gone", "")
                          .directory("o")
                          .file("o/.wh..wh..opq", "")
                          .file(".wh.top", "")
                          .done()))
        << error;
    EXPECT_TRUE(whiteout("d/gone"));
    EXPECT_TRUE(whiteout("top"));
    EXPECT_TRUE(opaque("o"));
    EXPECT_FALSE(opaque("d"));
}

TEST_F(TarApply, a_directory_that_replaces_what_the_layer_deletes_is_opaque_in_either_order) {
    ASSERT_TRUE(apply(TarMaker()
                          .file(".wh.a", "")
                          .directory("a")
                          .file("a/new")
                          .directory("b")
                          .file("b/new")
                          .file(".wh.b", "")
                          .file(".wh.c", "")
                          .file("c/new")
                          .file("f", "new")
                          .file(".wh.f", "")
                          .done()))
        << error;
    EXPECT_TRUE(opaque("a"));
    EXPECT_TRUE(opaque("b"));
    EXPECT_TRUE(opaque("c"));
    EXPECT_EQ(content_of(at("a/new")), "x");
    EXPECT_EQ(content_of(at("f")), "new");
}

TEST_F(TarApply, a_later_entry_replaces_an_earlier_one) {
    ASSERT_TRUE(apply(TarMaker()
                          .file("x", "one")
                          .file("x", "two")
                          .directory("d")
                          .file("d/in")
                          .file("d", "now a file")
                          .symlink("s", "x")
                          .file("s", "own")
                          .done()))
        << error;
    EXPECT_EQ(content_of(at("x")), "two");
    EXPECT_EQ(content_of(at("d")), "now a file");
    EXPECT_EQ(content_of(at("s")), "own");
}

TEST_F(TarApply, directories_that_no_entry_lists_look_as_in_the_layers_below) {
    const std::string lower = scratch.make("lower/tmp");
    ::chmod(lower.c_str(), 01777);
    ::chown(lower.c_str(), 5, 6);
    UniqueFd below = test::open_directory(scratch / "lower");
    ASSERT_TRUE(apply(TarMaker().file("tmp/x").file("other/x").done(), {below.get()})) << error;
    EXPECT_EQ(info_of(at("tmp")).st_mode & 07777u, 01777u);
    EXPECT_EQ(info_of(at("tmp")).st_uid, 5u);
    EXPECT_EQ(info_of(at("other")).st_mode & 07777u, 0755u);
}

TEST_F(TarApply, a_whole_tree_keeps_the_times_of_directories_that_no_entry_lists) {
    scratch.make("root/there/deeper");
    const timespec times[2] = {{1'000'000'000, 0}, {1'000'000'000, 0}};
    for (const char* name : {"there/deeper", "there", "."}) ::utimensat(AT_FDCWD, at(name).c_str(), times, 0);
    UniqueFd directory = test::open_directory(root);
    UniqueFd stream =
        test::stream_of(TarMaker().file("there/deeper/made/way/x").symlink("l", "/there/other").file("l/y").done());
    ApplyTarget target;
    target.root = directory.get();
    target.form = Form::whole;
    auto result = apply_tar(stream.get(), target, {}, nullptr);
    ASSERT_TRUE(result) << result.error().text;
    for (const char* name : {"there/deeper", "there", "."})
        EXPECT_EQ(info_of(at(name)).st_mtim.tv_sec, 1'000'000'000) << name;
    EXPECT_EQ(content_of(at("there/other/y")), "x");
}

TEST_F(TarApply, a_directory_made_in_place_of_a_deleted_one_takes_nothing_over) {
    const std::string lower = scratch.make("lower/d");
    ::chmod(lower.c_str(), 0700);
    UniqueFd below = test::open_directory(scratch / "lower");
    ASSERT_TRUE(apply(TarMaker().file(".wh.d", "").file("d/x").done(), {below.get()})) << error;
    EXPECT_EQ(info_of(at("d")).st_mode & 07777u, 0755u);
    EXPECT_EQ(info_of(at("d")).st_mtim.tv_sec, 0) << "the same whenever it is unpacked";
    EXPECT_TRUE(opaque("d"));
}

TEST_F(TarApply, keeps_names_that_are_not_ascii_or_not_even_utf8) {
    const std::string utf8 =
                          "gr\xc3\xbc\xc3\x9f"
                          "e",
                      latin =
                          "gr\xfc\xdf"
                          "e",
                      other =
                          "gr\xfd\xde"
                          "e";
    TarEntry by_pax{"short", '0', "pax"};
    by_pax.pax = {{"path", "pax-" + utf8}};
    ASSERT_TRUE(apply(TarMaker().file(utf8, "1").file(latin, "2").file(other, "3").add(by_pax).done())) << error;
    EXPECT_EQ(content_of(at(utf8)), "1");
    EXPECT_EQ(content_of(at(latin)), "2");
    EXPECT_EQ(content_of(at(other)), "3");
    EXPECT_EQ(content_of(at("pax-" + utf8)), "pax");
}

TEST_F(TarApply, follows_links_inside_the_layer_as_a_process_there_would) {
    ASSERT_TRUE(apply(TarMaker()
                          .directory("run")
                          .symlink("var/run", "/run")
                          .file("var/run/pid", "1")
                          .symlink("early", "late/deep")
                          .file("early/file", "2")
                          .done()))
        << error;
    EXPECT_EQ(content_of(at("run/pid")), "1");
    EXPECT_EQ(content_of(at("late/deep/file")), "2");
}

// Directories' times are set at the end, when a link on the way to them may lead elsewhere or be gone.
TEST_F(TarApply, a_directory_reached_through_a_link_has_its_time_whatever_becomes_of_the_link) {
    TarEntry below{"way/below/", '5'}, other{"other/below/", '5'};
    below.mtime = 987'654'321;
    other.mtime = 123'456'789;
    ASSERT_TRUE(apply(TarMaker()
                          .directory("first")
                          .directory("other")
                          .add(other)
                          .symlink("way", "other/../first")
                          .add(below)
                          .file("way/below/file")
                          .file("other/below/file")
                          .symlink("way", "other")
                          .done()))
        << error;
    EXPECT_EQ(info_of(at("first/below")).st_mtim.tv_sec, 987'654'321);
    EXPECT_EQ(info_of(at("other/below")).st_mtim.tv_sec, 123'456'789);
}

TEST_F(TarApply, links_that_lead_in_a_circle_or_too_far_are_an_error) {
    EXPECT_FALSE(apply(TarMaker().symlink("a", "b").symlink("b", "a").file("a/file").done()));
    EXPECT_NE(error.find("too many links"), std::string::npos) << error;
    EXPECT_FALSE(apply(TarMaker().file("plain").symlink("to", "plain/../..").file("to/file").done()));
    EXPECT_NE(error.find("is not a directory"), std::string::npos) << error;
    // What leads above the top ends there.
    ASSERT_TRUE(apply(TarMaker().symlink("up", "../../top").file("up/file", "3").done())) << error;
    EXPECT_EQ(content_of(at("top/file")), "3");
}

TEST_F(TarApply, an_empty_archive_is_an_empty_layer) {
    EXPECT_TRUE(apply(std::string(1024, '\0'))) << error;
    EXPECT_TRUE(std::filesystem::is_empty(root));
}

TEST_F(TarApply, a_cut_or_foreign_stream_is_an_error) {
    const std::string tar = TarMaker().file("big", std::string(100'000, 'x')).done();
    EXPECT_FALSE(apply(tar.substr(0, 50'000)));
    EXPECT_FALSE(apply(std::string(4096, 'q')));
}

TEST_F(TarApply, headers_that_are_not_understood_are_an_error) {
    TarEntry lying{"pax", 'x', "99999 path=../x\n"};
    EXPECT_FALSE(apply(TarMaker().add(lying).file("f").done()));
    TarEntry large{"f"};
    large.pax.emplace_back("SCHILY.xattr.user.a", std::string(1'000'000, 'x'));
    EXPECT_FALSE(apply(TarMaker().add(large).done()));
    // A block that is no header, where one must be.
    EXPECT_FALSE(apply(TarMaker().file("f").raw(std::string(512, 'q')).file("g").done()));
    EXPECT_NE(error.find("amaged"), std::string::npos) << error;
}

TEST_F(TarApply, what_is_held_in_memory_of_an_entry_is_bounded) {
    std::string map = "2000000\n";
    for (int i = 0; i < 2'000'000; ++i) map += "0\n0\n";
    map.resize((map.size() + 511) / 512 * 512, '\0');
    TarEntry sparse{"s", '0', map};
    sparse.pax = {
        {"GNU.sparse.major", "1"}, {"GNU.sparse.minor", "0"}, {"GNU.sparse.name", "s"}, {"GNU.sparse.realsize", "0"}};
    EXPECT_FALSE(apply(TarMaker().add(sparse).done()));
    EXPECT_NE(error.find("longer than"), std::string::npos) << error;
    // What is passed over is not held: the content of an entry that is no file.
    TarEntry marker{".wh.x", '0', std::string(8 << 20, 'x')};
    EXPECT_TRUE(apply(TarMaker().add(marker).file("f").done())) << error;
}

TEST_F(TarApply, tells_in_one_line_what_is_wrong_with_a_name) {
    EXPECT_FALSE(apply(TarMaker().symlink("l\n", "l\n").file("l\n/a\x1b/b").done()));
    for (char c : error) EXPECT_GE(static_cast<unsigned char>(c), 0x20) << error;
}

TEST_F(TarApply, limits_hold) {
    ApplyLimits limits;
    limits.entries = 3;
    EXPECT_FALSE(apply(TarMaker().file("1").file("2").file("3").file("4").done(), {}, limits));
    EXPECT_NE(error.find("more than 3 entries"), std::string::npos);
    limits = {};
    limits.bytes = 10;
    EXPECT_FALSE(apply(TarMaker().file("big", "0123456789ab").done(), {}, limits));
}

TEST_F(TarApply, stops_when_the_call_is_given_up) {
    UniqueFd directory = test::open_directory(root), stream = test::stream_of(TarMaker().file("x").done());
    auto result = apply_tar(stream.get(), {directory.get(), {}}, {}, [] { return true; });
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Code::cancelled);
}

TEST_F(TarApply, unpacks_sparse_files) {
    // As GNU tar writes it: pax 1.0, map before the data.
    std::string map = "1\n1048576\n4\n";
    map.resize(512, '\0');
    TarEntry sparse{"GNUSparseFile.0/sparse", '0', map + "tail"};
    sparse.pax = {{"GNU.sparse.major", "1"},
                  {"GNU.sparse.minor", "0"},
                  {"GNU.sparse.name", "sparse"},
                  {"GNU.sparse.realsize", "1048580"}};
    ASSERT_TRUE(apply(TarMaker().add(sparse).done())) << error;
    EXPECT_EQ(info_of(at("sparse")).st_size, 1048580);
    EXPECT_LT(info_of(at("sparse")).st_blocks, 100);
    EXPECT_EQ(content_of(at("sparse")).substr(1048576), "tail");
}

}  // namespace gantry::storage
