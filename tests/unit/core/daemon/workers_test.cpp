#include "core/daemon/http/workers.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>

using namespace gantry::http;

TEST(Workers, make_threads_only_as_work_comes) {
    Workers workers(4);
    EXPECT_EQ(workers.threads(), 0);
    std::atomic<int> done = 0;
    workers.post([&] { ++done; });
    for (int i = 0; i < 200 && done == 0; ++i) ::usleep(1000);
    EXPECT_EQ(done, 1);
    for (int i = 0; i < 50; ++i) {
        workers.post([&] { ++done; });
        ::usleep(1000);
    }
    EXPECT_LE(workers.threads(), 2);
}

TEST(Workers, survive_work_that_throws) {
    Workers workers(1);
    std::atomic<bool> done = false;
    workers.post([] { throw 1; });
    workers.post([&] { done = true; });
    for (int i = 0; i < 1000 && !done; ++i) ::usleep(1000);
    EXPECT_TRUE(done);
}
