#include "core/build/in_flight.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

namespace gantry::build {
namespace {

TEST(InFlight, the_same_work_is_done_once) {
    InFlight flights;
    Cancel cancel;
    std::atomic<int> done = 0, shared_by = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&] {
            bool shared = false;
            auto layer = flights.once(
                "k", cancel,
                [&]() -> Result<LayerRef> {
                    ++done;
                    std::this_thread::sleep_for(std::chrono::milliseconds(100));
                    return LayerRef{"key", "diff", 1};
                },
                &shared);
            EXPECT_TRUE(layer && layer->key == "key");
            shared_by += shared ? 1 : 0;
        });
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(done, 1);
    EXPECT_EQ(shared_by, 3);
}

TEST(InFlight, who_waits_does_it_himself_where_the_other_fails) {
    InFlight flights;
    Cancel first, second;
    std::atomic<bool> begun = false;
    std::thread failing([&] {
        bool shared = false;
        EXPECT_FALSE(flights.once(
            "k", first,
            [&]() -> Result<LayerRef> {
                begun = true;
                std::this_thread::sleep_for(std::chrono::milliseconds(50));
                return fail(Code::cancelled, "gone");
            },
            &shared));
    });
    while (!begun) std::this_thread::yield();
    bool shared = false;
    auto layer = flights.once(
        "k", second,
        [&]() -> Result<LayerRef> {
            return LayerRef{"mine", "", 0};
        },
        &shared);
    failing.join();
    ASSERT_TRUE(layer);
    EXPECT_EQ(layer->key, "mine");
    EXPECT_FALSE(shared);
}

}  // namespace
}  // namespace gantry::build
