#include "core/base/coalesced_text.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <thread>
#include <vector>

namespace gantry {

TEST(CoalescedText, one_asker_gets_a_new_text_each_time) {
    CoalescedText texts;
    int made = 0;
    auto make = [&] { return std::to_string(++made); };
    EXPECT_EQ(*texts.get(make), "1");
    EXPECT_EQ(*texts.get(make), "2");
}

TEST(CoalescedText, no_text_was_begun_before_it_was_asked_for) {
    CoalescedText texts;
    std::atomic<int> begun = 0, under_way = 0, wrong = 0, together = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i) {
        threads.emplace_back([&] {
            for (int round = 0; round < 500; ++round) {
                const int before = begun;
                const auto text = texts.get([&] {
                    if (++under_way != 1) ++together;
                    std::string number = std::to_string(++begun);
                    --under_way;
                    return number;
                });
                if (std::stoi(*text) <= before) ++wrong;
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(together, 0);
    EXPECT_LE(begun, 8 * 500);
}

// Each round is one in which they may meet: the first making goes on until all the others are about to ask.
TEST(CoalescedText, askers_that_meet_share_a_text) {
    bool shared = false;
    for (int round = 0; round < 10'000 && !shared; ++round) {
        CoalescedText texts;
        std::atomic<int> asking = 0, made = 0;
        auto ask = [&] {
            ++asking;
            (void)texts.get([&] {
                if (++made == 1)
                    while (asking < 4) std::this_thread::yield();
                return std::string();
            });
        };
        std::vector<std::thread> threads;
        for (int i = 0; i < 4; ++i) threads.emplace_back(ask);
        for (std::thread& thread : threads) thread.join();
        ASSERT_LE(made, 4);
        shared = made < 4;
    }
    EXPECT_TRUE(shared);
}

TEST(CoalescedText, what_a_making_throws_reaches_the_asker_and_the_next_is_made) {
    CoalescedText texts;
    EXPECT_THROW((void)texts.get([]() -> std::string { throw std::runtime_error("no"); }), std::runtime_error);
    EXPECT_EQ(*texts.get([] { return std::string("yes"); }), "yes");
}

}  // namespace gantry
