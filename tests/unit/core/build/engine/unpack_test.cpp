#include "core/build/unpack.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <sys/mman.h>

#include "scratch.hpp"

namespace gantry::build {
namespace {

class TarFile {
public:
    explicit TarFile(bool gzip = false) : fd_(::memfd_create("tar", MFD_CLOEXEC)), archive_(::archive_write_new()) {
        ::archive_write_set_format_pax_restricted(archive_);
        if (gzip) ::archive_write_add_filter_gzip(archive_);
        ::archive_write_open_fd(archive_, fd_.get());
    }
    TarFile& add(const std::string& name, const std::string& content, mode_t type = AE_IFREG,
                 const std::string& link = "", std::int64_t uid = 0) {
        archive_entry* entry = ::archive_entry_new();
        ::archive_entry_set_pathname(entry, name.c_str());
        ::archive_entry_set_filetype(entry, type);
        ::archive_entry_set_perm(entry, type == AE_IFDIR ? 0755 : 0644);
        ::archive_entry_set_size(entry, static_cast<la_int64_t>(content.size()));
        ::archive_entry_set_mtime(entry, 1'700'000'000, 0);
        ::archive_entry_set_uid(entry, uid);
        if (type == AE_IFLNK) ::archive_entry_set_symlink(entry, link.c_str());
        if (type == 0) {
            ::archive_entry_set_filetype(entry, AE_IFREG);
            ::archive_entry_set_hardlink(entry, link.c_str());
        }
        ::archive_write_header(archive_, entry);
        ::archive_write_data(archive_, content.data(), content.size());
        ::archive_entry_free(entry);
        return *this;
    }
    int done() {
        ::archive_write_close(archive_);
        ::archive_write_free(archive_);
        ::lseek(fd_.get(), 0, SEEK_SET);
        return fd_.get();
    }

private:
    UniqueFd fd_;
    struct archive* archive_;
};

TEST(Unpack, files_directories_and_links) {
    Scratch to;
    UniqueFd root = to.open();
    TarFile tar(true);
    tar.add("d", "", AE_IFDIR)
        .add("d/f", "content")
        .add("l", "", AE_IFLNK, "d/f")
        .add("h", "", 0, "d/f")
        .add("d/ü", "x");
    const int fd = tar.done();
    auto is = is_archive(fd);
    ASSERT_TRUE(is);
    EXPECT_TRUE(*is);
    auto bytes = unpack_tar(fd, root.get(), {});
    ASSERT_TRUE(bytes) << bytes.error().text;
    EXPECT_EQ(*bytes, 8);
    EXPECT_EQ(to.read("d/f"), "content");
    EXPECT_EQ(to.read("l"), "content");
    EXPECT_EQ(to.read("h"), "content");
    EXPECT_EQ(to.read("d/ü"), "x");
}

TEST(Unpack, nothing_outside_is_touched) {
    Scratch outside;
    outside.file("canary", "safe");
    auto run = [&](TarFile& tar) {
        Scratch to;
        UniqueFd root = to.open();
        auto done = unpack_tar(tar.done(), root.get(), {});
        EXPECT_EQ(outside.read("canary"), "safe");
        EXPECT_FALSE(outside.exists("new"));
        return done ? std::string() : done.error().text;
    };
    TarFile up;
    EXPECT_NE(run(up.add("../canary", "bad")), "");
    TarFile deep;
    EXPECT_NE(run(deep.add("a/../../canary", "bad")), "");
    TarFile absolute;  // inside, as every name is
    EXPECT_EQ(run(absolute.add(outside / "canary", "bad")), "");
    TarFile link;
    EXPECT_NE(run(link.add("l", "", AE_IFLNK, outside.path()).add("l/canary", "bad").add("l/new", "bad")), "");
    TarFile over;
    EXPECT_EQ(run(over.add("l", "", AE_IFLNK, outside / "canary").add("l", "bad")), "");
    TarFile hard;
    EXPECT_NE(run(hard.add("h", "", 0, "../../../../.." + (outside / "canary"))), "");
    TarFile hard_by_link;
    EXPECT_NE(run(hard_by_link.add("l", "", AE_IFLNK, outside.path()).add("h", "", 0, "l/canary").add("h", "bad")), "");
}

// Whether the host has a directory where a link leads makes no difference.
TEST(Unpack, links_tell_nothing_of_the_host) {
    Scratch outside;
    std::string errors[2];
    for (int there = 0; there < 2; ++there) {
        Scratch to;
        UniqueFd root = to.open();
        TarFile tar;
        tar.add("l", "", AE_IFLNK, there != 0 ? outside.path() : outside / "absent").add("l", "", AE_IFDIR);
        auto done = unpack_tar(tar.done(), root.get(), {});
        errors[there] = done ? "taken" : done.error().text;
    }
    EXPECT_EQ(errors[0], errors[1]);
    Scratch to;
    UniqueFd root = to.open();
    TarFile inside;
    inside.add("d", "", AE_IFDIR).add("l", "", AE_IFLNK, "/d").add("l", "", AE_IFDIR).add("l/f", "content");
    ASSERT_TRUE(unpack_tar(inside.done(), root.get(), {}));
    EXPECT_EQ(to.read("d/f"), "content");
}

TEST(Unpack, what_no_file_can_have_or_be_is_refused) {
    auto run = [](TarFile& tar) {
        Scratch to;
        UniqueFd root = to.open();
        auto done = unpack_tar(tar.done(), root.get(), {});
        return done ? std::string() : done.error().text;
    };
    TarFile owner, link, file, hard, itself;
    EXPECT_EQ(run(owner.add("f", "x", AE_IFREG, "", std::int64_t{1} << 32)),
              "entry \"f\": owner 4294967296:0 is out of range");
    EXPECT_EQ(run(link.add(".", "", AE_IFLNK, "/etc")), "entry \".\": the root can only be a directory");
    EXPECT_EQ(run(file.add(".", "x")), "entry \".\": the root can only be a directory");
    EXPECT_EQ(run(hard.add("f", "").add("./", "", 0, "f")), "entry \"./\": the root can only be a directory");
    EXPECT_EQ(run(itself.add("f", "x").add("f", "", 0, "f")), "");
}

TEST(Unpack, limits_hold) {
    Scratch to;
    UniqueFd root = to.open();
    UnpackOptions options;
    options.most_entries = 2;
    TarFile many;
    many.add("1", "").add("2", "").add("3", "");
    auto entries = unpack_tar(many.done(), root.get(), options);
    ASSERT_FALSE(entries);
    EXPECT_EQ(entries.error().code, Code::exhausted);
    options = {};
    options.most_bytes = 10;
    TarFile large;
    large.add("f", std::string(11, 'x'));
    auto bytes = unpack_tar(large.done(), root.get(), options);
    ASSERT_FALSE(bytes);
    EXPECT_EQ(bytes.error().code, Code::exhausted);
    options = {};
    options.devices = false;
    TarFile device;
    device.add("n", "", AE_IFCHR);
    EXPECT_FALSE(unpack_tar(device.done(), root.get(), options));
}

TEST(Unpack, other_files_are_no_archives) {
    for (const std::string& text : {std::string(), std::string("plain text"), std::string(4096, '\0')}) {
        UniqueFd fd(::memfd_create("f", MFD_CLOEXEC));
        ASSERT_TRUE(write_all(fd.get(), text));
        auto is = is_archive(fd.get());
        ASSERT_TRUE(is);
        EXPECT_FALSE(*is) << text.size();
    }
}

}  // namespace
}  // namespace gantry::build
