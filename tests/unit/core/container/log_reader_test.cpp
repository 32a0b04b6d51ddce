#include "core/container/log_reader.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "core/base/clock.hpp"
#include "core/base/files.hpp"
#include "core/base/ids.hpp"
#include "core/monitor/log_writer.hpp"

namespace gantry::container {
namespace {

using monitor::LogStream;
using monitor::LogWriter;

// Every test runs on both formats.
class LogReaderTest : public ::testing::TestWithParam<const char*> {
protected:
    void SetUp() override { directory_ = "/tmp/gantry-log-reader-test-" + new_id().substr(0, 12); }
    void TearDown() override { std::filesystem::remove_all(directory_); }

    std::unique_ptr<LogWriter> writer(int max_size = 20 << 20, int max_file = 3) {
        auto made = LogWriter::create(
            {{"driver", GetParam()}, {"path", directory_}, {"max_size", max_size}, {"max_file", max_file}});
        EXPECT_TRUE(made) << made.error().text;
        return std::move(*made);
    }
    std::string file() const { return directory_ + (std::string(GetParam()) == "local" ? "/local.log" : "/json.log"); }
    std::vector<LogRecord> records(LogOptions options = {}) {
        auto reader = LogReader::open(directory_, options);
        EXPECT_TRUE(reader) << reader.error().text;
        std::vector<LogRecord> all;
        for (;;) {
            auto record = (*reader)->next();
            EXPECT_TRUE(record);
            if (!record || !*record) return all;
            all.push_back(std::move(**record));
        }
    }
    std::string text(LogOptions options = {}) {
        std::string all;
        for (const LogRecord& record : records(options)) all += record.text;
        return all;
    }
    static LogOptions tail(std::size_t lines) {
        LogOptions options;
        options.tail = lines;
        return options;
    }
    void damage(std::int64_t at, const std::string& bytes) {
        UniqueFd fd(::open(file().c_str(), O_WRONLY | O_CLOEXEC));
        ASSERT_EQ(::pwrite(fd.get(), bytes.data(), bytes.size(), at), static_cast<ssize_t>(bytes.size()));
    }
    std::string directory_;
};
INSTANTIATE_TEST_SUITE_P(Formats, LogReaderTest, ::testing::Values("local", "json-file"),
                         [](const auto& test) { return std::string(test.param) == "local" ? "local" : "json"; });

TEST_P(LogReaderTest, gives_lines_with_their_streams_and_times) {
    std::int64_t before = wall_clock_ns();
    auto log = writer();
    log->write(LogStream::out, "one\ntw");
    log->write(LogStream::err, "error\n");
    log->write(LogStream::out, "o\nthree");
    log->flush();
    auto all = records();
    std::string out, err;
    for (const LogRecord& record : all) {
        (record.stream == LogStream::out ? out : err) += record.text + "|";
        EXPECT_GE(record.time_ns, before);
        EXPECT_LE(record.time_ns, wall_clock_ns());
    }
    EXPECT_EQ(out, "one\n|two\n|three|");
    EXPECT_EQ(err, "error\n|");
    LogOptions only_err;
    only_err.out = false;
    EXPECT_EQ(text(only_err), "error\n");
}

TEST_P(LogReaderTest, an_absent_log_is_empty) {
    EXPECT_EQ(text(), "");
    std::filesystem::create_directories(directory_);
    EXPECT_EQ(text(), "");
}

TEST_P(LogReaderTest, gives_the_last_lines_across_rotated_files) {
    auto log = writer(8192, 4);
    for (int i = 0; i < 3000; ++i) log->write(LogStream::out, "line " + std::to_string(i) + "\n");
    log->flush();
    for (std::size_t count : {0u, 1u, 2u, 100u, 200u, 300u}) {
        std::string expected;
        for (std::size_t i = 3000 - count; i < 3000; ++i) expected += "line " + std::to_string(i) + "\n";
        std::string got = text(tail(count));
        std::string oldest = text();
        if (expected.size() > oldest.size()) expected = oldest;
        EXPECT_EQ(got, expected) << count;
    }
    EXPECT_EQ(text(tail(100000)), text());
    EXPECT_TRUE(text().ends_with("line 2998\nline 2999\n"));
}

TEST_P(LogReaderTest, counts_an_unfinished_last_line) {
    auto log = writer();
    log->write(LogStream::out, "a\nb\nc");
    log->flush();
    EXPECT_EQ(text(tail(1)), "c");
    EXPECT_EQ(text(tail(2)), "b\nc");
}

TEST_P(LogReaderTest, a_long_line_comes_in_pieces_and_counts_once) {
    auto log = writer();
    std::string line(100'000, 'x');
    log->write(LogStream::out, "first\n" + line + "\nlast\n");
    log->flush();
    EXPECT_EQ(text(), "first\n" + line + "\nlast\n");
    EXPECT_EQ(text(tail(2)), line + "\nlast\n");
    LogOptions with_times;
    with_times.timestamps = true;
    std::string timed = text(with_times);
    EXPECT_EQ(timed.size(), text().size() + 3 * 31);
}

TEST_P(LogReaderTest, since_and_until_bound_the_time) {
    auto log = writer();
    log->write(LogStream::out, "early\n");
    ::usleep(2000);
    std::int64_t middle = wall_clock_ns();
    ::usleep(2000);
    log->write(LogStream::out, "late\n");
    LogOptions options;
    options.since_ns = middle;
    EXPECT_EQ(text(options), "late\n");
    options.since_ns = 0;
    options.until_ns = middle;
    EXPECT_EQ(text(options), "early\n");
}

TEST_P(LogReaderTest, bytes_that_are_no_text_come_back_as_they_were) {
    std::string every = "x";
    for (int c = 0; c < 256; ++c) every += static_cast<char>(c);
    every += "\xed\xa0\x80\xe2\x80\xa8 end\n";
    auto log = writer();
    log->write(LogStream::out, every);
    log->write(LogStream::err, "plain \\ \"text\"\n");
    log->flush();
    EXPECT_EQ(text(), every + "plain \\ \"text\"\n");
    EXPECT_EQ(text(tail(1)), "plain \\ \"text\"\n");
    EXPECT_EQ(text(tail(2)), every.substr(every.find('\n') + 1) + "plain \\ \"text\"\n");
}

TEST_P(LogReaderTest, a_line_written_in_pieces_is_one_line) {
    auto log = writer();
    log->write(LogStream::out, "before\nPass");
    log->flush();
    EXPECT_EQ(text(), "before\nPass");
    log->write(LogStream::out, "word: \nafter\n");
    log->flush();
    EXPECT_EQ(text(), "before\nPassword: \nafter\n");
    EXPECT_EQ(text(tail(2)), "Password: \nafter\n");
}

TEST_P(LogReaderTest, damage_costs_only_what_is_damaged) {
    auto log = writer();
    for (int i = 0; i < 10; ++i) log->write(LogStream::out, "line " + std::to_string(i) + "\n");
    log->flush();
    std::size_t whole = std::filesystem::file_size(file()), entry = whole / 10;
    // JSON lines differ in length by their times: there the third is looked for.
    std::size_t third = entry * 3;
    if (std::string(GetParam()) == "json-file") {
        const std::string content = *read_file(file());
        third = content.rfind('\n', content.find("line 3")) + 1;
    }
    damage(static_cast<std::int64_t>(third + 1), std::string(8, '\0'));
    std::string got = text();
    EXPECT_THAT(got, ::testing::HasSubstr("line 2\n"));
    EXPECT_THAT(got, ::testing::HasSubstr("line 4\nline 5\nline 6\nline 7\nline 8\nline 9\n"));
    // A torn entry, with sound ones behind it.
    std::filesystem::resize_file(file(), whole - 3);
    log->write(LogStream::out, "after\n");
    log->write(LogStream::out, "end\n");
    EXPECT_THAT(text(), ::testing::EndsWith("after\nend\n"));
    // A block of zeros, as a power cut leaves it.
    std::filesystem::resize_file(file(), std::filesystem::file_size(file()) + 4096);
    log->write(LogStream::out, "alive\n");
    EXPECT_THAT(text(), ::testing::EndsWith("after\nend\nalive\n"));
}

TEST_P(LogReaderTest, following_sees_everything_through_rotation_and_the_end) {
    auto log = writer(65536, 5);
    log->write(LogStream::out, "begin\n");
    LogOptions options;
    options.follow = true;
    auto reader = LogReader::open(directory_, options);
    ASSERT_TRUE(reader);
    std::thread writing([&] {
        for (int i = 0; i < 3000; ++i) {
            log->write(LogStream::out, "line number " + std::to_string(i) + "\n");
            if (i % 10 == 0) ::usleep(500);
        }
        log->flush();
        (*reader)->ended();
    });
    std::string all;
    for (;;) {
        auto record = (*reader)->next();
        ASSERT_TRUE(record);
        if (!*record) break;
        all += (*record)->text;
    }
    writing.join();
    std::string expected = "begin\n";
    for (int i = 0; i < 3000; ++i) expected += "line number " + std::to_string(i) + "\n";
    EXPECT_EQ(all.size(), expected.size());
    EXPECT_TRUE(all == expected);
}

TEST_P(LogReaderTest, following_goes_on_after_the_file_was_emptied_or_deleted) {
    auto log = writer(65536, 2);
    log->write(LogStream::out, "one\n");
    LogOptions options;
    options.follow = true;
    auto reader = LogReader::open(directory_, options);
    ASSERT_TRUE(reader);
    EXPECT_EQ((*reader)->next().value()->text, "one\n");
    std::filesystem::resize_file(file(), 0);
    log->write(LogStream::out, "2\n");
    EXPECT_EQ((*reader)->next().value()->text, "2\n");
    std::filesystem::remove(file());
    log = writer(65536, 2);
    log->write(LogStream::out, "three\n");
    EXPECT_EQ((*reader)->next().value()->text, "three\n");
    std::thread stopping([&] {
        ::usleep(50'000);
        (*reader)->stop();
    });
    EXPECT_FALSE((*reader)->next().value().has_value());
    stopping.join();
}

TEST_P(LogReaderTest, following_waits_for_a_log_that_is_not_there_yet) {
    LogOptions options;
    options.follow = true;
    auto reader = LogReader::open(directory_, options);
    ASSERT_TRUE(reader);
    std::thread writing([&] {
        ::usleep(50'000);
        writer()->write(LogStream::out, "here\n");
    });
    EXPECT_EQ((*reader)->next().value()->text, "here\n");
    writing.join();
    (*reader)->ended();
    EXPECT_FALSE((*reader)->next().value().has_value());
}

}  // namespace
}  // namespace gantry::container
