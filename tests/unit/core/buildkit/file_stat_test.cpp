#include "core/buildkit/file_stat.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "core/buildkit/source_detail.hpp"

namespace gantry::buildkit {
namespace {

constexpr std::uint32_t directory = 1u << 31, link = 1u << 27, device = 1u << 26, pipe = 1u << 25, socket = 1u << 24,
                        setuid = 1u << 23, setgid = 1u << 22, character = 1u << 21, sticky = 1u << 20;

TEST(FileStat, ModesOfGoAreThoseOfUnix) {
    EXPECT_EQ(*unix_mode(0644), S_IFREG | 0644u);
    EXPECT_EQ(*unix_mode(directory | 0755), S_IFDIR | 0755u);
    EXPECT_EQ(*unix_mode(directory | sticky | 0777), S_IFDIR | S_ISVTX | 0777u);
    EXPECT_EQ(*unix_mode(link | 0777), S_IFLNK | 0777u);
    EXPECT_EQ(*unix_mode(setuid | setgid | 0755), S_IFREG | S_ISUID | S_ISGID | 0755u);
    EXPECT_EQ(*unix_mode(pipe | 0600), S_IFIFO | 0600u);
    EXPECT_EQ(*unix_mode(device | 0600), S_IFBLK | 0600u);
    EXPECT_EQ(*unix_mode(device | character | 0600), S_IFCHR | 0600u);
    EXPECT_FALSE(unix_mode(socket | 0600));
}

TEST(FileStat, AnEntrySaysOfALinkWhereItLeads) {
    EXPECT_EQ(*entry_of({"a/b", 0600, 5, 7, ""}),
              (Json{{"path", "a/b"}, {"mode", S_IFREG | 0600u}, {"size", 5}, {"mtime_ns", 7}}));
    EXPECT_EQ(*entry_of({"l", link | 0777, 3, 7, "a/b"}),
              (Json{{"path", "l"}, {"mode", S_IFLNK | 0777u}, {"size", 0}, {"mtime_ns", 7}, {"link", "a/b"}}));
    // A file with several names is one like any other.
    EXPECT_FALSE(entry_of({"second", 0600, 5, 7, "first"})->contains("link"));
}

TEST(FileStat, ANameThatIsNoTextIsRefused) {
    auto entry = entry_of({"bad\xff", 0600, 5, 7, ""});
    ASSERT_FALSE(entry);
    EXPECT_EQ(entry.error().text, "file \"bad\xef\xbf\xbd\" has a name that is not UTF-8");
}

TEST(FileStat, HeadersArePlainWhereTheyCanBe) {
    EXPECT_EQ(header_values({"a b", "*.txt", "100%"}),
              (std::pair<std::vector<std::string>, bool>{{"a b", "*.txt", "100%"}, false}));
    EXPECT_EQ(header_values({"a b", "\xc3\xa9", "x\n"}),
              (std::pair<std::vector<std::string>, bool>{{"a%20b", "%c3%a9", "x%0a"}, true}));
    EXPECT_EQ(header_values({}), (std::pair<std::vector<std::string>, bool>{{}, false}));
}

TEST(FileStat, AnErrorShowsItsLines) {
    EXPECT_EQ(Json::parse(source_detail("Dockerfile", "FROM x\n", 1, 2)),
              (Json{{"info", {{"filename", "Dockerfile"}, {"data", "RlJPTSB4Cg=="}}},
                    {"ranges", Json::array({{{"start", {{"line", 1}}}, {"end", {{"line", 2}}}}})}}));
}

}  // namespace
}  // namespace gantry::buildkit
