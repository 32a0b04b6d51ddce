#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "core/archive/node.hpp"
#include "core/archive/tree_pack.hpp"
#include "core/archive/tree_unpack.hpp"
#include "core/base/files.hpp"
#include "tests/unit/core/store/scratch.hpp"

namespace gantry::archive {
namespace {

using test::Scratch;
namespace fs = std::filesystem;

UniqueFd directory(const std::string& path) {
    auto fd = open_file(path, O_RDONLY | O_DIRECTORY);
    EXPECT_TRUE(fd) << path;
    return std::move(*fd);
}

// `members` with their content as one stream.
std::string stream_of(const std::vector<std::pair<Member, std::string>>& members) {
    std::string out;
    auto writer = TarWriter::create([&](std::string_view bytes) -> Result<void> {
        out += bytes;
        return {};
    });
    for (auto [member, content] : members) {
        member.size = static_cast<std::int64_t>(content.size());
        EXPECT_TRUE((*writer)->member(member));
        EXPECT_TRUE((*writer)->data(content));
    }
    EXPECT_TRUE((*writer)->finish());
    return out;
}

Source source_of(const std::string& text) {
    return [&text, at = std::size_t{0}](char* data, std::size_t size) mutable -> Result<std::size_t> {
        const std::size_t n = std::min({size, text.size() - at, std::size_t{1000}});
        text.copy(data, n, at);
        at += n;
        return n;
    };
}

Result<void> unpack_into(const std::string& path, const std::string& stream, UnpackOptions options = {}) {
    options.owner = UnpackOptions::Owner::mine;
    auto reader = TarReader::create(source_of(stream));
    if (!reader) return reader.error();
    return unpack(**reader, directory(path).get(), "", options);
}

Member of_kind(const std::string& name, mode_t mode) {
    Member member;
    member.name = name;
    member.mode = mode;
    return member;
}
Member file(const std::string& name) { return of_kind(name, S_IFREG | 0640); }
Member folder(const std::string& name) { return of_kind(name, S_IFDIR | 0755); }
Member link(const std::string& name, const std::string& target) {
    Member member = of_kind(name, S_IFLNK | 0777);
    member.link = target;
    return member;
}
Member hard(const std::string& name, const std::string& target) {
    Member member = of_kind(name, S_IFREG | 0644);
    member.hard_link = target;
    return member;
}

struct Tree : ::testing::Test {
    Scratch scratch;
    std::string in = scratch / "in", out = scratch / "out";
    void SetUp() override {
        fs::create_directories(in);
        fs::create_directories(out);
        ASSERT_TRUE(write_file(scratch / "canary", "untouched"));
    }
    void expect_untouched() {
        EXPECT_EQ(*read_file(scratch / "canary"), "untouched");
        EXPECT_EQ(fs::hard_link_count(scratch / "canary"), 1u);
        for (const auto& entry : fs::directory_iterator(fs::path(in).parent_path()))
            EXPECT_TRUE(entry.path() == in || entry.path() == out || entry.path() == scratch / "canary")
                << entry.path();
    }
};

}  // namespace

TEST_F(Tree, comes_back_as_it_went) {
    fs::create_directories(in + "/a/b");
    ASSERT_TRUE(write_file(in + "/a/f", std::string(700'000, 'x')));
    ASSERT_TRUE(write_file(in + "/a/b/\xc3\xbcml\xc3\xa4ut", "name"));
    fs::create_symlink("../nowhere", in + "/a/l");
    fs::create_hard_link(in + "/a/f", in + "/z");
    ::chmod((in + "/a/b").c_str(), 0500);
    const timespec times[2] = {{1'000'000'000, 0}, {1'000'000'000, 0}};
    ::utimensat(AT_FDCWD, (in + "/a/b").c_str(), times, 0);
    ASSERT_EQ(::mkfifo((in + "/fifo").c_str(), 0600), 0);

    std::string first, second;
    for (std::string* to : {&first, &second}) {
        auto writer = TarWriter::create([&](std::string_view bytes) -> Result<void> {
            *to += bytes;
            return {};
        });
        ASSERT_TRUE(pack(**writer, directory(in).get(), "", {}));
        ASSERT_TRUE((*writer)->finish());
    }
    EXPECT_EQ(first, second);
    ASSERT_TRUE(unpack_into(out, first));
    EXPECT_EQ(*read_file(out + "/z"), std::string(700'000, 'x'));
    EXPECT_TRUE(fs::equivalent(out + "/z", out + "/a/f"));
    EXPECT_EQ(*read_file(out + "/a/b/\xc3\xbcml\xc3\xa4ut"), "name");
    EXPECT_EQ(fs::read_symlink(out + "/a/l"), "../nowhere");
    EXPECT_TRUE(fs::is_fifo(out + "/fifo"));
    struct stat info {};
    ASSERT_EQ(::stat((out + "/a/b").c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777, 0500u);
    EXPECT_EQ(info.st_mtim.tv_sec, 1'000'000'000);
}

TEST_F(Tree, names_members_as_it_is_told) {
    ASSERT_TRUE(write_file(in + "/f", "1"));
    std::string stream;
    auto writer = TarWriter::create([&](std::string_view bytes) -> Result<void> {
        stream += bytes;
        return {};
    });
    PackOptions options;
    options.owner = PackOptions::Owner::root;
    ASSERT_TRUE(pack(**writer, directory(in).get(), ".", options));
    ASSERT_TRUE((*writer)->finish());
    auto reader = TarReader::create(source_of(stream));
    EXPECT_EQ((*(*reader)->next())->name, "./");
    EXPECT_EQ((*(*reader)->next())->name, "./f");
    EXPECT_EQ(*(*reader)->data(), "1");
    EXPECT_EQ(*(*reader)->data(), "");
    EXPECT_FALSE(*(*reader)->next());
}

TEST_F(Tree, never_leads_out) {
    const std::string up = "../canary", far = scratch / "canary", top = fs::path(in).parent_path();
    const std::vector<std::vector<std::pair<Member, std::string>>> attacks = {
        {{file("../escaped"), "x"}},
        {{file("a/../../escaped"), "x"}},
        {{link("l", top), ""}, {file("l/escaped"), "x"}},
        {{link("l", ".."), ""}, {file("l/escaped"), "x"}},
        {{link("a", "/"), ""}, {link("b", "a" + top), ""}, {file("b/escaped"), "x"}},
        {{hard("h", up), ""}, {file("h"), "overwritten"}},
        {{hard("h", far), ""}, {file("h"), "overwritten"}},
        {{link("l", far), ""}, {hard("h", "l"), ""}, {file("h"), "overwritten"}},
        {{link("l", up), ""}, {file("l"), "overwritten"}},
        {{folder("d"), ""}, {link("d", top), ""}, {file("d/escaped"), "x"}},
        {{file(std::string(300, 'n')), "x"}},
        {{file(std::string(5000, '/') + "x"), "x"}},
    };
    for (std::size_t i = 0; i < attacks.size(); ++i)
        for (auto links : {UnpackOptions::Links::refused, UnpackOptions::Links::within_root})
            for (bool keep : {true, false}) {
                UnpackOptions options;
                options.links = links;
                options.keep_kinds = keep;
                (void)unpack_into(out, stream_of(attacks[i]), options);
                SCOPED_TRACE(i);
                expect_untouched();
                fs::remove_all(out);
                fs::create_directories(out);
            }
}

TEST_F(Tree, tells_what_climbs_out_and_what_stands_in_the_way) {
    auto climbs = unpack_into(out, stream_of({{file("a/../../x"), "1"}}));
    ASSERT_FALSE(climbs);
    EXPECT_EQ(climbs.error().text, "the archive has a member \"a/../../x\", which leads out of its directory");
    fs::create_directories(out + "/d");
    auto replaced = unpack_into(out, stream_of({{file("d"), "1"}}));
    ASSERT_FALSE(replaced);
    EXPECT_EQ(replaced.error().text, "cannot overwrite directory \"/d\" with non-directory");
    ASSERT_TRUE(write_file(out + "/f", ""));
    EXPECT_EQ(unpack_into(out, stream_of({{folder("f/"), ""}})).error().text,
              "cannot overwrite non-directory \"/f\" with directory");
    UnpackOptions replace;
    replace.keep_kinds = false;
    ASSERT_TRUE(unpack_into(out, stream_of({{file("d"), "1"}, {folder("f/"), ""}}), replace));
    EXPECT_TRUE(fs::is_regular_file(out + "/d") && fs::is_directory(out + "/f"));
    UnpackOptions few;
    few.most_members = 1;
    EXPECT_EQ(unpack_into(out, stream_of({{file("1"), ""}, {file("2"), ""}}), few).error().code, Code::exhausted);
    few = {};
    few.most_bytes = 3;
    EXPECT_EQ(unpack_into(out, stream_of({{file("1"), "four"}}), few).error().code, Code::exhausted);
    const std::string whole = stream_of({{file("1"), std::string(5000, 'x')}});
    EXPECT_EQ(unpack_into(out, whole.substr(0, 2000)).error().code, Code::invalid);
    EXPECT_EQ(unpack_into(out, "this is no archive" + std::string(1000, '!')).error().code, Code::invalid);
}

TEST_F(Tree, follows_links_within_its_root_where_it_may) {
    fs::create_directories(out + "/run");
    fs::create_directories(out + "/var");
    fs::create_symlink("/run", out + "/var/run");
    UnpackOptions within;
    within.links = UnpackOptions::Links::within_root;
    ASSERT_TRUE(unpack_into(out, stream_of({{file("var/run/pid"), "1"}}), within));
    EXPECT_EQ(*read_file(out + "/run/pid"), "1");
    EXPECT_FALSE(unpack_into(out, stream_of({{file("var/run/other"), "1"}})));
}

TEST_F(Tree, stops_where_nobody_takes_the_bytes) {
    ASSERT_TRUE(write_file(in + "/f", std::string(2 << 20, 'x')));
    auto writer = TarWriter::create([](std::string_view) { return fail(Code::cancelled, "the client has gone"); });
    auto packed = pack(**writer, directory(in).get(), "in", {});
    ASSERT_FALSE(packed);
    EXPECT_EQ(packed.error().code, Code::cancelled);
}

TEST_F(Tree, is_measured_with_each_file_once) {
    ASSERT_TRUE(write_file(in + "/f", std::string(1000, 'x')));
    fs::create_hard_link(in + "/f", in + "/g");
    fs::create_directories(in + "/d");
    ASSERT_TRUE(write_file(in + "/d/h", std::string(500, 'x')));
    EXPECT_EQ(*tree_size(directory(in).get()), 1500);
}

}  // namespace gantry::archive
