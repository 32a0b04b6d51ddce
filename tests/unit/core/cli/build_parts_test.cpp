// The parts of `gantry build` that need no engine.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include "core/base/files.hpp"
#include "core/cli/build/frame.hpp"
#include "core/cli/build/output_text.hpp"
#include "core/cli/build/report.hpp"
#include "core/cli/build/specs.hpp"
#include "core/cli/build/tar_reader.hpp"
#include "core/cli/build/views.hpp"

namespace gantry::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(BuildFrame, frames_come_apart_at_any_byte) {
    std::string bytes;
    for (int i = 0; i < 3; ++i)
        bytes += *encode_frame({{"type", "log"}, {"step", i}}, std::string(static_cast<std::size_t>(i) * 1000, 'x'));
    FrameReader reader;
    std::vector<std::size_t> sizes;
    for (char c : bytes) {
        reader.push({&c, 1});
        auto frame = reader.next();
        ASSERT_TRUE(frame);
        if (*frame) sizes.push_back((*frame)->body.size());
    }
    EXPECT_THAT(sizes, ElementsAre(0, 1000, 2000));
    EXPECT_EQ(reader.pending(), 0u);
}

TEST(BuildFrame, what_is_no_frame_is_refused_before_it_is_kept) {
    for (std::string_view bytes :
         {std::string_view("\0\x10\0\1\0\0\0\0", 8), std::string_view("\0\0\0\2\0\x10\0\1", 8),
          std::string_view("\0\0\0\1\0\0\0\0{", 9), std::string_view("\0\0\0\2\0\0\0\0{}", 10)}) {
        FrameReader reader;
        reader.push(bytes);
        EXPECT_FALSE(reader.next());
    }
    EXPECT_FALSE(encode_frame({{"type", "build"}, {"dockerfile", std::string(2u << 20, 'x')}}));
}

// One entry's head with its checksum.
std::string head(std::string name, char type, std::size_t size, std::string link = {}) {
    std::string block(512, '\0');
    auto put = [&](std::size_t at, const std::string& text) { block.replace(at, text.size(), text); };
    char octal[16];
    put(0, name);
    put(100, "0000644");
    std::snprintf(octal, sizeof octal, "%011zo", size);
    put(124, octal);
    put(136, "00000000001");
    block[156] = type;
    put(157, link);
    put(257, std::string("ustar\0"
                         "00",
                         8));
    put(148, "        ");
    unsigned sum = 0;
    for (char c : block) sum += static_cast<unsigned char>(c);
    std::snprintf(octal, sizeof octal, "%06o", sum);
    block.replace(148, 8, std::string(octal, 6) + std::string("\0 ", 2));
    return block;
}
std::string padded(std::string text) {
    text.resize((text.size() + 511) / 512 * 512, '\0');
    return text;
}

struct Seen {
    std::vector<std::string> events;
    TarReader reader{{[this](const TarEntry& entry) -> Result<void> {
                          events.push_back(std::to_string(static_cast<int>(entry.kind)) + " " + entry.path +
                                           (entry.link.empty() ? "" : " -> " + entry.link) + " " +
                                           std::to_string(entry.size));
                          return {};
                      },
                      [this](std::string_view data) -> Result<void> {
                          content += data;
                          return {};
                      },
                      [this]() -> Result<void> {
                          events.push_back("end " + std::exchange(content, {}));
                          return {};
                      }}};
    std::string content;
};

TEST(BuildTar, archives_may_come_byte_by_byte) {
    std::string archive = head("a", '0', 5) + padded("hello") + head("d/", '5', 0) + head("e", '0', 0) +
                          head("l", '2', 0, "a") + head("././@LongLink", 'L', 201) +
                          padded(std::string(200, 'n') + '\0') + head("short", '0', 1) + padded("x") +
                          head("pax", 'x', 28) + padded("11 path=pp\n17 linkpath=llll\n").substr(0, 512) +
                          head("q", '1', 0, "w") + head("dev", '3', 0) + std::string(1024, '\0') + "trailing";
    for (std::size_t piece : {std::size_t{1}, std::size_t{511}, archive.size()}) {
        Seen seen;
        for (std::size_t at = 0; at < archive.size(); at += piece) {
            auto pushed = seen.reader.push(std::string_view(archive).substr(at, piece));
            ASSERT_TRUE(pushed) << pushed.error().text;
        }
        ASSERT_TRUE(seen.reader.finish());
        EXPECT_THAT(seen.events,
                    ElementsAre("1 a 5", "end hello", "2 d/ 0", "1 e 0", "end ", "3 l -> a 0",
                                "1 " + std::string(200, 'n') + " 1", "end x", "4 pp -> llll 0", "5 dev 0"));
    }
}

TEST(BuildTar, damaged_archives_are_told_of) {
    auto result = [](const std::string& archive) {
        Seen seen;
        auto pushed = seen.reader.push(archive);
        if (!pushed) return pushed.error().text;
        auto finished = seen.reader.finish();
        return finished ? std::string() : finished.error().text;
    };
    EXPECT_EQ(result(""), "");
    EXPECT_EQ(result(head("a", '0', 0)), "");
    EXPECT_THAT(result(std::string(600, 'x')), HasSubstr("checksum"));
    EXPECT_THAT(result(head("a", '0', 10)), HasSubstr("middle of an entry"));
    EXPECT_THAT(result(head("a", '0', 10).substr(0, 100)), HasSubstr("middle of an entry"));
    EXPECT_THAT(result(head("x", 'x', 20) + padded("9999 path=x\n")), HasSubstr("malformed"));
    EXPECT_THAT(result(head("x", 'x', 3) + padded("1 =")), HasSubstr("malformed"));
    EXPECT_THAT(result(head("x", 'L', 2u << 20)), HasSubstr("1 MiB"));
    EXPECT_THAT(result(head("x", 'S', 0)), HasSubstr("sparse"));
    EXPECT_TRUE(looks_like_tar(head("a", '0', 0)));
    EXPECT_FALSE(looks_like_tar(std::string(512, '\0')));
}

TEST(OutputText, escape_sequences_do_nothing) {
    for (auto [text, shown] :
         std::initializer_list<std::pair<std::string, std::string>>{{"\x1b[31mred\x1b[0m", "red"},
                                                                    {"a\x1b]0;title\x07"
                                                                     "b",
                                                                     "ab"},
                                                                    {"a\x1b]8;;http://x\x1b\\link", "alink"},
                                                                    {"a\x1bPq#0\x1b\\b", "ab"},
                                                                    {"a\x1b(Bb", "ab"},
                                                                    {"a\x1b[", "a"},
                                                                    {"a\x1b", "a"},
                                                                    {"a\tb", "a       b"},
                                                                    {"\x07\x01", "\\x07\\x01"},
                                                                    {"\xc2\x9b"
                                                                     "31m",
                                                                     "\\u009b31m"},
                                                                    {"\xe2\x80\xaeturn", "\\u202eturn"},
                                                                    {"\xff", "\\xff"}})
        EXPECT_EQ(without_escapes(text), shown);
}

TEST(OutputText, widths_are_columns) {
    EXPECT_EQ(display_width("abc"), 3u);
    EXPECT_EQ(display_width("日本"), 4u);
    EXPECT_EQ(display_width("e\xcc\x81"), 1u);
    EXPECT_EQ(fit_columns("abcdef", 6), "abcdef");
    EXPECT_EQ(fit_columns("abcdef", 5), "abcd…");
    EXPECT_EQ(fit_columns("日本語", 5), "日本…");
    EXPECT_EQ(fit_columns("日本語", 4), "日…");
    EXPECT_EQ(fit_columns("abc", 0), "");
}

TEST(OutputText, lines_are_whole_and_the_last_are_kept) {
    OutputLines lines(2);
    std::vector<std::string> seen;
    auto each = [&](const std::string& line) { seen.push_back(line); };
    for (const char* piece : {"on", "e\ntw", "o\r\n", "10%\r20%\r", "30%\n", "last"}) lines.push(piece, each);
    EXPECT_EQ(lines.open_line(), "last");
    lines.finish(each);
    EXPECT_THAT(seen, ElementsAre("one", "two", "30%", "last"));
    EXPECT_THAT(lines.last(), ElementsAre("30%", "last"));
    OutputLines endless;
    for (int i = 0; i < 100; ++i) endless.push(std::string(10000, 'x'), nullptr);
    EXPECT_LT(endless.open_line().size(), 20000u);
}

TEST(BuildReport, lines_out_of_the_file_have_no_excerpt) {
    EXPECT_EQ(excerpt("a\nb\n", "D", 0, 0), "");
    EXPECT_EQ(excerpt("a\nb\n", "D", 3, 3), "");
    EXPECT_EQ(excerpt("", "D", 1, 1), "");
    EXPECT_EQ(excerpt("a\nb\nc\n", "D", 1, 2),
              "D:1\n--------------------\n   1 | >>> a\n   2 | >>> b\n   3 |     c\n--------------------\n");
    EXPECT_THAT(excerpt("a\n  b\n", "D", 2, -7), HasSubstr("   2 | >>>   b\n     |       ^\n"));
}

TEST(BuildSpecs, outputs_have_short_forms) {
    auto local = parse_output("/out");
    ASSERT_TRUE(local);
    EXPECT_EQ(local->target, BuildOutput::Target::directory);
    EXPECT_EQ(local->description, (Json{{"type", "local"}, {"dest", "/out"}}));
    auto quoted = parse_output(R"(type=oci,"dest=/a,b","name=x,y")");
    ASSERT_TRUE(quoted);
    EXPECT_EQ(quoted->path, "/a,b");
    EXPECT_EQ(quoted->description["name"], "x,y");
    EXPECT_EQ(parse_output("type=registry,name=x")->description,
              (Json{{"type", "image"}, {"name", "x"}, {"push", "true"}}));
    EXPECT_EQ(parse_output("type=docker")->target, BuildOutput::Target::engine);
    EXPECT_EQ(parse_output("type=oci,tar=false,dest=/d")->target, BuildOutput::Target::directory);
}

}  // namespace
}  // namespace gantry::cli
