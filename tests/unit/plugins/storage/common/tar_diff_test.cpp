#include "plugins/storage/common/tar_diff.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/xattr.h>

#include "plugins/storage/common/overlay_changes.hpp"
#include "plugins/storage/common/overlay_marks.hpp"
#include "plugins/storage/common/tar_apply.hpp"
#include "tests/unit/plugins/storage/scratch.hpp"
#include "tests/unit/plugins/storage/tar_maker.hpp"

namespace gantry::storage {
namespace {

using test::content_of;
using test::info_of;

std::string diff_of(const std::string& path) {
    UniqueFd upper = test::open_directory(path), out(::memfd_create("diff", MFD_CLOEXEC));
    auto result = diff_tar(upper.get(), out.get(), nullptr);
    EXPECT_TRUE(result) << result.error().text;
    std::string bytes(static_cast<std::size_t>(::lseek(out.get(), 0, SEEK_END)), '\0');
    EXPECT_EQ(::pread(out.get(), bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
    return bytes;
}

void apply_to(const std::string& path, const std::string& tar) {
    UniqueFd directory = test::open_directory(path), stream = test::stream_of(tar);
    auto result = apply_tar(stream.get(), {directory.get(), {}}, {}, nullptr);
    ASSERT_TRUE(result) << result.error().text;
}

}  // namespace

TEST(TarDiff, apply_and_diff_are_inverse) {
    REQUIRE_ROOT();
    test::Scratch scratch;
    const std::string first = scratch.make("first"), second = scratch.make("second");
    test::TarEntry tool{"usr/bin/tool", '0', "content"};
    tool.mode = 06755;
    tool.uid = 100'000;
    const std::string capability("\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
                                 20);
    tool.pax = {{"SCHILY.xattr.security.capability", capability}, {"SCHILY.xattr.user.note", "n"}};
    test::TarEntry device{"dev/zero", '3'};
    device.major = 1;
    device.minor = 5;
    const std::string latin = "caf\xe9", utf8 = "caf\xc3\xa9";
    apply_to(first, test::TarMaker()
                        .directory("usr")
                        .add(tool)
                        .hardlink("usr/bin/same", "usr/bin/tool")
                        .symlink("link", "usr/bin/tool")
                        .file("usr/.wh.old", "")
                        .directory("fresh")
                        .file("fresh/.wh..wh..opq", "")
                        .add(device)
                        .add({"fifo", '6'})
                        .file(latin, "l")
                        .file(utf8, "u")
                        .file(std::string(200, 'n'), "long")
                        .done());
    const std::string tar = diff_of(first);
    apply_to(second, tar);
    EXPECT_EQ(diff_of(second), tar);
    EXPECT_EQ(content_of(second + "/usr/bin/tool"), "content");
    EXPECT_EQ(info_of(second + "/usr/bin/tool").st_mode & 07777u, 06755u);
    EXPECT_EQ(info_of(second + "/usr/bin/tool").st_ino, info_of(second + "/usr/bin/same").st_ino);
    EXPECT_TRUE(is_whiteout(info_of(second + "/usr/old")));
    EXPECT_TRUE(is_opaque(test::open_directory(second + "/fresh").get()));
    EXPECT_EQ(content_of(second + "/" + latin), "l");
    EXPECT_EQ(content_of(second + "/" + utf8), "u");
    char value[64];
    EXPECT_EQ(::getxattr((second + "/usr/bin/tool").c_str(), "security.capability", value, sizeof value), 20);
}

TEST(TarDiff, leaves_sockets_out) {
    test::Scratch scratch;
    const std::string upper = scratch.make("upper");
    UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{AF_UNIX, {}};
    (upper + "/s").copy(address.sun_path, sizeof address.sun_path - 1);
    ASSERT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(diff_of(upper).find("s"), std::string::npos);
}

TEST(TarDiff, a_reader_that_goes_away_is_an_error_and_no_signal) {
    test::Scratch scratch;
    const std::string upper = scratch.make("upper");
    test::write_text(upper + "/big", std::string(1 << 20, 'x'));
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    UniqueFd out(ends[0]), in(ends[1]);
    out.reset();
    UniqueFd directory = test::open_directory(upper);
    EXPECT_FALSE(diff_tar(directory.get(), in.get(), nullptr));
}

TEST(OverlayChanges, tells_added_modified_and_deleted) {
    REQUIRE_ROOT();
    test::Scratch scratch;
    const std::string upper = scratch.make("upper"), top = scratch.make("top"), bottom = scratch.make("bottom");
    scratch.make("bottom/etc");
    scratch.make("upper/etc");
    scratch.make("upper/new/inside");
    test::write_text(bottom + "/etc/old", "1");
    test::write_text(bottom + "/etc/gone", "1");
    test::write_text(bottom + "/etc/hidden", "1");
    scratch.make("top/etc");
    UniqueFd in_top = test::open_directory(top + "/etc");
    ASSERT_TRUE(make_whiteout(in_top.get(), "hidden"));
    test::write_text(upper + "/etc/old", "2");
    test::write_text(upper + "/etc/hidden", "2");
    test::write_text(upper + "/etc/fresh", "2");
    UniqueFd in_upper = test::open_directory(upper + "/etc");
    ASSERT_TRUE(make_whiteout(in_upper.get(), "gone"));
    UniqueFd u = test::open_directory(upper), t = test::open_directory(top), b = test::open_directory(bottom);
    auto changes = overlay_changes(u.get(), {t.get(), b.get()});
    ASSERT_TRUE(changes);
    std::string text;
    for (const Change& change : *changes) text += change.kind.substr(0, 1) + change.path + " ";
    EXPECT_EQ(text, "m/etc a/etc/fresh d/etc/gone a/etc/hidden m/etc/old a/new a/new/inside ");
}

}  // namespace gantry::storage
