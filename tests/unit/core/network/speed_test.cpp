#include <chrono>

#include "testbed.hpp"

namespace gantry::network::test {

using Speed = Bed;

TEST_F(Speed, attaches_and_detaches_quickly) {
    using Clock = std::chrono::steady_clock;
    std::vector<double> attach, detach;
    ASSERT_TRUE(service->attach("first", "first", "first", "default", {}, {}));
    for (int i = 0; i < 100; ++i) {
        const std::string id = "container" + std::to_string(i);
        // The pool is refilled between two starts, as it is in life.
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        const auto begin = Clock::now();
        auto attached = service->attach(id, id, id, "default", {}, {});
        const auto middle = Clock::now();
        ASSERT_TRUE(attached) << attached.error().text;
        attached->netns.reset();
        const auto next = Clock::now();
        ASSERT_TRUE(service->detach(id, true));
        const auto end = Clock::now();
        attach.push_back(std::chrono::duration<double, std::micro>(middle - begin).count());
        detach.push_back(std::chrono::duration<double, std::micro>(end - next).count());
    }
    std::sort(attach.begin(), attach.end());
    std::sort(detach.begin(), detach.end());
    std::printf("attach %.0f us, detach %.0f us (medians; least %.0f and %.0f)\n", attach[50], detach[50], attach[0],
                detach[0]);
    RecordProperty("attach_us", static_cast<int>(attach[50]));
    RecordProperty("detach_us", static_cast<int>(detach[50]));
}

}  // namespace gantry::network::test
