#include <gtest/gtest.h>

#include "core/base/clock.hpp"
#include "core/cli/terminal.hpp"
#include "core/cli/units.hpp"

namespace gantry::cli {
namespace {

TEST(Units, spans_read_as_dockers) {
    EXPECT_EQ(human_duration(0.4), "Less than a second");
    EXPECT_EQ(human_duration(1), "1 second");
    EXPECT_EQ(human_duration(59), "59 seconds");
    EXPECT_EQ(human_duration(61), "About a minute");
    EXPECT_EQ(human_duration(150), "2 minutes");
    EXPECT_EQ(human_duration(3600), "About an hour");
    EXPECT_EQ(human_duration(3600 * 47), "47 hours");
    EXPECT_EQ(human_duration(86400 * 3), "3 days");
    EXPECT_EQ(human_duration(86400 * 21), "3 weeks");
    EXPECT_EQ(human_duration(86400 * 90), "3 months");
    EXPECT_EQ(human_duration(86400.0 * 365 * 3), "3 years");
    EXPECT_EQ(human_ago(wall_clock_ns() / 1000000000 - 120), "2 minutes ago");
    EXPECT_EQ(human_ago(0), "N/A");
}

TEST(Units, sizes_have_three_or_four_digits) {
    EXPECT_EQ(human_size(0), "0B");
    EXPECT_EQ(human_size(999), "999B");
    EXPECT_EQ(human_size(12345678), "12.3MB");
    EXPECT_EQ(human_size(1.5e9), "1.5GB");
    EXPECT_EQ(human_size_binary(1024 * 1024 * 1.5), "1.5MiB");
    EXPECT_EQ(human_size_binary(12345678), "11.77MiB");
}

TEST(Units, texts_are_cut_by_characters) {
    EXPECT_EQ(shorten("abcdef", 6), "abcdef");
    EXPECT_EQ(shorten("abcdefg", 6), "abcde…");
    EXPECT_EQ(shorten("äöüß", 4), "äöüß");
    EXPECT_EQ(shorten("äöüßx", 4), "äöü…");
    EXPECT_EQ(short_image_id("sha256:0123456789abcdef"), "0123456789ab");
}

TEST(Units, times_are_given_in_many_ways) {
    EXPECT_EQ(api_timestamp("2026-01-02T03:04:05Z"), "1767323045.000000000");
    EXPECT_EQ(api_timestamp("2026-01-02T03:04:05.5+01:00"), "1767319445.500000000");
    EXPECT_EQ(api_timestamp("1700000000"), "1700000000");
    double now = static_cast<double>(wall_clock_ns()) / 1e9;
    EXPECT_NEAR(std::stod(api_timestamp("10m")), now - 600, 2);
}

TEST(Units, detach_keys_are_held_back_until_they_are_not_the_sequence) {
    auto keys = DetachKeys::parse("");
    ASSERT_TRUE(keys);
    EXPECT_EQ(keys->filter("a\x10"
                           "b"),
              "a\x10"
              "b");
    EXPECT_EQ(keys->filter("x\x10"), "x");
    EXPECT_FALSE(keys->detached());
    EXPECT_EQ(keys->filter("\x11rest"), "");
    EXPECT_TRUE(keys->detached());
    auto twice = DetachKeys::parse("ctrl-p,ctrl-q");
    EXPECT_EQ(twice->filter("\x10\x10"), "\x10");
    EXPECT_EQ(twice->filter("\x11"), "");
    EXPECT_TRUE(twice->detached());
    EXPECT_FALSE(DetachKeys::parse("ctrl-"));
    EXPECT_FALSE(DetachKeys::parse("ctrl-a,"));
}

}  // namespace
}  // namespace gantry::cli
