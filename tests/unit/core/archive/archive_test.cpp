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

TEST_F(Tree, takes_no_owner_that_no_file_can_have) {
    for (std::int64_t id : {std::int64_t{1} << 32, std::int64_t{UINT32_MAX}})
        for (bool group : {false, true}) {
            Member member = file("f");
            (group ? member.gid : member.uid) = id;
            const std::string stream = stream_of({{member, "x"}});
            auto reader = TarReader::create(source_of(stream));
            ASSERT_TRUE(reader);
            auto done = unpack(**reader, directory(out).get(), "", {});
            ASSERT_FALSE(done) << id;
            EXPECT_EQ(done.error().code, Code::invalid);
            EXPECT_FALSE(fs::exists(out + "/f"));
            // Where the files become someone else's it is of no matter.
            EXPECT_TRUE(unpack_into(out, stream));
            fs::remove(out + "/f");
        }
}

TEST_F(Tree, takes_and_gives_the_same_depth) {
    auto deep = [](int depth) {
        std::string name;
        for (int i = 1; i < depth; ++i) name += "d/";
        return name + "f";
    };
    auto refused = unpack_into(out, stream_of({{file(deep(1025)), ""}}));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::invalid);
    ASSERT_TRUE(unpack_into(out, stream_of({{file(deep(1024)), "x"}})));
    std::string stream;
    auto writer = TarWriter::create([&](std::string_view bytes) -> Result<void> {
        stream += bytes;
        return {};
    });
    ASSERT_TRUE(pack(**writer, directory(out).get(), "", {}));
    ASSERT_TRUE((*writer)->finish());
    EXPECT_TRUE(remove_node(directory(out).get(), "d"));
}

// GNU's format of sparse files, 1.0, as tar writes it.
std::string sparse_file(const std::string& name, std::int64_t size, std::int64_t at, const std::string& content) {
    std::string records, map = "1\n" + std::to_string(at) + "\n" + std::to_string(content.size()) + "\n";
    for (auto [key, value] : std::map<std::string, std::string>{{"GNU.sparse.major", "1"},
                                                                {"GNU.sparse.minor", "0"},
                                                                {"GNU.sparse.name", name},
                                                                {"GNU.sparse.realsize", std::to_string(size)}}) {
        const std::string rest = " " + key + "=" + value + "\n";
        const std::size_t length = rest.size() + 2;
        records += std::to_string(length > 99 ? length + 1 : length) + rest;
    }
    auto block = [](std::string text) {
        text.resize((text.size() + 511) / 512 * 512, '\0');
        return text;
    };
    auto head = [&](char type, std::size_t bytes) {
        std::string header(512, '\0');
        auto put = [&](std::size_t offset, const std::string& text) { header.replace(offset, text.size(), text); };
        char octal[16];
        std::snprintf(octal, sizeof octal, "%011zo", bytes);
        put(0, "GNUSparseFile.0/f");
        put(100, "0000644");
        put(108, "0000000");
        put(116, "0000000");
        put(124, octal);
        put(136, "00000000000");
        put(148, "        ");
        header[156] = type;
        put(257, std::string("ustar\00000", 8));
        unsigned sum = 0;
        for (char c : header) sum += static_cast<unsigned char>(c);
        std::snprintf(octal, sizeof octal, "%06o", sum);
        put(148, std::string(octal) + '\0' + ' ');
        return header;
    };
    const std::string data = block(map) + content;
    return head('x', records.size()) + block(records) + head('0', data.size()) + block(data) + std::string(1024, '\0');
}

TEST_F(Tree, a_sparse_file_takes_no_more_room_than_its_content) {
    ASSERT_TRUE(unpack_into(out, sparse_file("s", 10'000'000'000, 5'000'000'000, "middle")));
    struct stat info {};
    ASSERT_EQ(::stat((out + "/s").c_str(), &info), 0);
    EXPECT_EQ(info.st_size, 10'000'000'000);
    EXPECT_LT(info.st_blocks, 1000);
    auto fd = open_file(out + "/s", O_RDONLY);
    std::string content(8, 'x');
    ASSERT_EQ(::pread(fd->get(), content.data(), 8, 4'999'999'999), 8);
    EXPECT_EQ(content, std::string("\0middle\0", 8));
    // One that is larger than all that may come is refused before it is made.
    auto refused = unpack_into(out, sparse_file("t", std::int64_t{1} << 62, (std::int64_t{1} << 62) - 1, "x"));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::exhausted);
    EXPECT_FALSE(fs::exists(out + "/t"));
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
