#include "core/container/health.hpp"

#include <gtest/gtest.h>

namespace gantry::container {
namespace {

Health::Probe probe(int exit_code) { return {1, 2, exit_code, "out"}; }

TEST(HealthCheck, is_read_with_dockers_defaults) {
    auto check = read_health_check({{"Healthcheck", {{"Test", {"CMD-SHELL", "true"}}}}});
    ASSERT_TRUE(check);
    EXPECT_EQ(check->command, (std::vector<std::string>{"/bin/sh", "-c", "true"}));
    EXPECT_EQ(check->interval_ns, 30'000'000'000);
    EXPECT_EQ(check->retries, 3);
}

TEST(HealthCheck, none_is_none) {
    EXPECT_TRUE(read_health_check({{"Healthcheck", {{"Test", {"NONE"}}}}})->command.empty());
    EXPECT_TRUE(read_health_check(Json::object())->command.empty());
}

TEST(HealthCheck, malformed_ones_are_refused) {
    auto error = [](Json health) { return read_health_check({{"Healthcheck", health}}).error().text; };
    EXPECT_EQ(error({{"Test", {"RUN", "x"}}}),
              "Unknown probe type 'RUN' in Healthcheck, allowed: NONE, CMD, CMD-SHELL");
    EXPECT_EQ(error({{"Test", {"CMD"}}}), "Test in Healthcheck has no command");
    EXPECT_EQ(error({{"Test", {"CMD", "x"}}, {"Interval", 5}}), "Interval in Healthcheck cannot be less than 1ms");
    EXPECT_EQ(error({{"Test", {"CMD", "x"}}, {"Retries", -1}}), "Retries in Healthcheck cannot be negative");
    for (const Json& test : {Json("x"), Json({5, 6}), Json({"CMD", nullptr})})
        EXPECT_EQ(error({{"Test", test}}), "Test in Healthcheck is not a list of strings") << test;
    EXPECT_EQ(error({{"Interval", "1s"}}), "Interval in Healthcheck is not a whole number");
}

TEST(Health, turns_unhealthy_after_the_retries_and_healthy_at_the_first_success) {
    HealthCheck check;
    check.retries = 2;
    Health health;
    health.status = "starting";
    EXPECT_FALSE(health.add(probe(1), check, false));
    EXPECT_TRUE(health.add(probe(1), check, false));
    EXPECT_EQ(health.status, "unhealthy");
    EXPECT_TRUE(health.add(probe(0), check, false));
    EXPECT_EQ(health.status, "healthy");
    EXPECT_EQ(health.failing_streak, 0);
}

TEST(Health, failures_in_the_start_period_do_not_count) {
    HealthCheck check;
    check.retries = 1;
    Health health;
    health.status = "starting";
    EXPECT_FALSE(health.add(probe(1), check, true));
    EXPECT_EQ(health.status, "starting");
    EXPECT_TRUE(health.add(probe(0), check, true));
    // Once healthy, the start period is over.
    EXPECT_TRUE(health.add(probe(1), check, true));
    EXPECT_EQ(health.status, "unhealthy");
}

TEST(Health, keeps_the_newest_five_probes) {
    Health health;
    for (int i = 0; i < 9; ++i) health.add(probe(i), HealthCheck{}, false);
    ASSERT_EQ(health.log.size(), 5u);
    EXPECT_EQ(health.log[0].exit_code, 4);
}

}  // namespace
}  // namespace gantry::container
