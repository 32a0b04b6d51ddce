#include <sys/mount.h>
#include <sys/stat.h>

#include <filesystem>

#include "core/base/base64.hpp"
#include "core/base/clock.hpp"
#include "core/base/files.hpp"
#include "core/monitor/log_json.hpp"
#include "core/monitor/log_writer.hpp"
#include "fixture.hpp"

namespace gantry::monitor_test {
namespace {

class MonitorLog : public MonitorTest {
protected:
    std::string json_lines(const std::string& id, std::string* text = nullptr) {
        std::string file = read_file(path(id + "/log/json.log"), 1u << 30).value();
        std::istringstream lines(file);
        for (std::string line; std::getline(lines, line);) {
            Json json = Json::parse(line, nullptr, false);
            EXPECT_TRUE(json.is_object()) << line.substr(0, 200);
            EXPECT_TRUE(json.contains("stream") && json.contains("time") && parse_rfc3339(json.value("time", "")));
            if (text) *text += json.value("log", "");
        }
        return file;
    }
};

TEST_F(MonitorLog, two_hundred_megabytes_are_logged_byte_for_byte) {
    LaunchRequest wanted = request("c1", "yes 0123456789abcdef | head -c 200000000");
    wanted.log["max_size"] = 1 << 30;
    std::int64_t begin = monotonic_ns();
    run(std::move(wanted));
    ASSERT_TRUE(wait_event("c1", MonitorEvent::Type::exited, 60'000));
    double seconds = static_cast<double>(monotonic_ns() - begin) / 1e9;
    std::string all = logged("c1");
    ASSERT_EQ(all.size(), 200'000'000u);
    const std::string line = "0123456789abcdef\n";
    bool equal = true;
    for (std::size_t i = 0; i < all.size() && equal; ++i) equal = all[i] == line[i % line.size()];
    EXPECT_TRUE(equal);
    std::printf("    200 MB in %.2f s: %.0f MB/s\n", seconds, 200 / seconds);
}

TEST_F(MonitorLog, rotation_bounds_the_directory_and_keeps_the_newest) {
    LaunchRequest wanted = request("c1", "seq 1 2000000");
    wanted.log["max_size"] = 1 << 20;
    run(std::move(wanted));
    ASSERT_TRUE(wait_event("c1", MonitorEvent::Type::exited));
    std::uintmax_t size = 0;
    int files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(path("c1/log"))) {
        size += entry.file_size();
        ++files;
        EXPECT_LE(entry.file_size(), 1u << 20);
        EXPECT_EQ(static_cast<unsigned>(std::filesystem::status(entry).permissions()), 0640u);
    }
    EXPECT_EQ(files, 3);
    EXPECT_GT(size, 3u << 19) << "a rotated file lacks no more than the entry that did not fit: 256 KiB";
    EXPECT_TRUE(logged("c1").ends_with("1999999\n2000000\n"));
}

TEST_F(MonitorLog, json_lines_are_dockers) {
    LaunchRequest wanted =
        request("c1", R"(printf 'a "b" <c>&\\\t\001\377\303\244\n'; echo err >&2; printf 'no newline')");
    wanted.log["driver"] = "json-file";
    run(std::move(wanted));
    ASSERT_TRUE(wait_event("c1", MonitorEvent::Type::exited));
    std::string file = json_lines("c1");
    EXPECT_THAT(file, ::testing::HasSubstr(
                          R"({"log":"a \"b\" \u003cc\u003e\u0026\\\u0009\u0001\ufffdä\n","stream":"stdout","time":")"));
    EXPECT_THAT(file, ::testing::HasSubstr(",\"bytes\":\"" + to_base64("a \"b\" <c>&\\\t\001\377\303\244\n") + "\"}\n"))
        << "the bytes themselves, where they are not UTF-8";
    EXPECT_THAT(file, ::testing::HasSubstr(R"({"log":"err\n","stream":"stderr","time":")"));
    EXPECT_THAT(file, ::testing::HasSubstr(R"({"log":"no newline","stream":"stdout","time":")"));
}

TEST_F(MonitorLog, json_lines_longer_than_16_kib_are_split_and_none_is_lost) {
    LaunchRequest wanted = request("c1", "head -c 40000 /dev/zero | tr '\\0' x; echo; seq 1 100000");
    wanted.log["driver"] = "json-file";
    run(std::move(wanted));
    ASSERT_TRUE(wait_event("c1", MonitorEvent::Type::exited));
    std::string text;
    std::string file = json_lines("c1", &text);
    EXPECT_EQ(file.find('\n'), std::string("{\"log\":\"\",\"stream\":\"stdout\",").size() + 16384 +
                                   file.substr(file.find("\"time\"")).find('\n'));
    std::string expected = std::string(40000, 'x') + "\n";
    for (int i = 1; i <= 100000; ++i) expected += std::to_string(i) + "\n";
    EXPECT_TRUE(text == expected) << text.size();
}

TEST_F(MonitorLog, a_line_that_does_not_end_is_in_the_log_while_the_container_waits) {
    LaunchRequest wanted =
        request("c1", "printf 'Password: '; while [ ! -e " + path("go") + " ]; do sleep 0.02; done; echo given");
    wanted.log["driver"] = "json-file";
    run(std::move(wanted));
    const std::string prompt = R"({"log":"Password: ","stream":"stdout","time":")";
    auto file = [&] {
        auto read = read_file(path("c1/log/json.log"), 1u << 20);
        return read ? *read : std::string();
    };
    for (int i = 0; i < 1000 && !file().starts_with(prompt); ++i) ::usleep(10'000);
    EXPECT_THAT(file(), ::testing::StartsWith(prompt));
    ASSERT_TRUE(write_file(path("go"), ""));
    ASSERT_TRUE(wait_event("c1", MonitorEvent::Type::exited));
    EXPECT_THAT(file(), ::testing::HasSubstr(R"({"log":"given\n","stream":"stdout","time":")"));
}

TEST_F(MonitorLog, none_writes_nothing) {
    LaunchRequest wanted = request("c1", "seq 1 100");
    wanted.log = {{"driver", "none"}};
    run(std::move(wanted));
    ASSERT_TRUE(wait_event("c1", MonitorEvent::Type::exited));
    EXPECT_FALSE(path_exists(path("c1/log")));
}

TEST_F(MonitorLog, a_full_disk_does_not_stop_the_container_and_the_loss_is_written_down) {
    std::string full = path("full");
    ASSERT_TRUE(make_directories(full));
    if (::mount("gtest", full.c_str(), "tmpfs", 0, "size=256k") != 0)
        GTEST_SKIP() << "mounting a tmpfs is not possible here";
    ScopeGuard unmount([&] { ::umount2(full.c_str(), MNT_DETACH); });
    LaunchRequest wanted =
        request("c1", "seq 1 100000; while [ ! -e " + path("go") + " ]; do sleep 0.02; done; echo after");
    wanted.log["path"] = full + "/log";
    ASSERT_TRUE(write_file(full + "/filler", std::string(200'000, 'x')));
    run(std::move(wanted));
    ::usleep(300'000);
    ::unlink((full + "/filler").c_str());
    ASSERT_TRUE(write_file(path("go"), ""));
    ASSERT_TRUE(wait_event("c1", MonitorEvent::Type::exited));
    std::string file = read_file(full + "/log/local.log").value();
    EXPECT_TRUE(file.ends_with("after\n"));
    bool notice = false;
    for (std::size_t at = 0; at + sizeof(monitor::LogHeader) <= file.size();) {
        monitor::LogHeader header;
        std::memcpy(&header, file.data() + at, sizeof header);
        ASSERT_EQ(header.check, log_check(header));
        notice = notice || header.stream == static_cast<int>(monitor::LogStream::notice);
        at += sizeof header + header.length;
    }
    EXPECT_TRUE(notice);
}

TEST(LogWriter, refuses_what_it_does_not_know) {
    EXPECT_EQ(monitor::LogWriter::create({{"driver", "syslog"}}).error().code, Code::invalid);
    EXPECT_EQ(monitor::LogWriter::create({{"driver", "local"}, {"path", "relative"}}).error().code, Code::invalid);
    EXPECT_EQ(monitor::LogWriter::create({{"driver", "local"}, {"path", "/tmp/x"}, {"max_size", "huge"}}).error().code,
              Code::invalid);
    EXPECT_EQ(monitor::log_time(parse_rfc3339("2026-01-02T03:04:05.1200Z").value()), "2026-01-02T03:04:05.12Z");
    EXPECT_EQ(monitor::log_time(parse_rfc3339("2026-01-02T03:04:05Z").value()), "2026-01-02T03:04:05Z");
}

}  // namespace
}  // namespace gantry::monitor_test
