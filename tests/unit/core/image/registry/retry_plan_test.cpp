#include "core/image/registry/retry_plan.hpp"

#include <gtest/gtest.h>

#include <ctime>

namespace gantry::image::registry {
namespace {

TEST(RetryPlan, WaitsLongerEachTimeAndGivesUp) {
    RetryPlan plan(5);
    std::int64_t expected = 500;
    for (int i = 0; i < 4; ++i, expected *= 2) {
        auto wait = plan.next();
        ASSERT_TRUE(wait);
        EXPECT_GE(*wait, expected * 8 / 10);
        EXPECT_LE(*wait, expected * 12 / 10);
    }
    EXPECT_FALSE(plan.next());
    EXPECT_FALSE(RetryPlan(1).next());
}

TEST(RetryPlan, ProgressBeginsAnew) {
    RetryPlan plan(2);
    EXPECT_TRUE(plan.next());
    plan.progress();
    EXPECT_TRUE(plan.next());
    EXPECT_FALSE(plan.next());
}

TEST(RetryPlan, NeverWaitsWithoutBound) {
    RetryPlan plan(100);
    for (int i = 0; i < 99; ++i) EXPECT_LE(*plan.next(), 36'000);
}

TEST(RetryPlan, ListensToRetryAfter) {
    EXPECT_EQ(*RetryPlan(5).next("7"), 7'000);
    EXPECT_LT(*RetryPlan(5).next("0"), 1'000);
    EXPECT_LT(*RetryPlan(5).next("-5"), 1'000);
    EXPECT_LT(*RetryPlan(5).next("soon"), 1'000);
    EXPECT_FALSE(RetryPlan(5).next("86400"));
    EXPECT_FALSE(RetryPlan(5).next("9223372036854775807"));
    const std::time_t at = std::time(nullptr) + 20;
    std::tm utc{};
    ::gmtime_r(&at, &utc);
    char date[64];
    std::strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &utc);
    auto wait = RetryPlan(5).next(date);
    ASSERT_TRUE(wait);
    EXPECT_GT(*wait, 15'000);
    EXPECT_LE(*wait, 21'000);
}

TEST(RetryPlan, PassingTroubleByStatus) {
    for (int status : {408, 429, 500, 502, 503, 504}) EXPECT_TRUE(is_transient_status(status));
    for (int status : {200, 206, 400, 401, 403, 404, 416, 501}) EXPECT_FALSE(is_transient_status(status));
}

}  // namespace
}  // namespace gantry::image::registry
