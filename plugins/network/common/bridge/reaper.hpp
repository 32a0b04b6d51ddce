// Interfaces whose sandbox has ended: the kernel removes them by itself a moment later. The reaper looks after them on
// a thread of its own, so that nobody waits, and removes what is still there (a namespace that someone holds open).
#pragma once
#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <thread>

namespace gantry::bridge {

class Reaper {
public:
    Reaper() = default;
    ~Reaper();
    Reaper(const Reaper&) = delete;
    Reaper& operator=(const Reaper&) = delete;

    // Sees to it that the link is gone soon. Any thread; does not wait.
    void expect_gone(std::string link);

private:
    void run();
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<std::string> links_;
    bool stopping_ = false;
    std::thread thread_;  // started with the first link
};

}  // namespace gantry::bridge
