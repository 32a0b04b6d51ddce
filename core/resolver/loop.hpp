// One thread's events: descriptors (epoll) and times.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <unordered_map>

#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

namespace gantry::resolver {

class Loop {
public:
    static Result<std::unique_ptr<Loop>> create();

    // Calls `ready(events)` while `fd` has one of `events` (EPOLLIN, ...). The descriptor stays its owner's, who calls
    // remove() before closing it; `ready` may do so itself.
    Result<void> add(int fd, std::uint32_t events, std::function<void(std::uint32_t)> ready);
    void change(int fd, std::uint32_t events);
    void remove(int fd);

    using Timer = std::uint64_t;
    // Calls `due` once, after so many milliseconds. 0 is never a timer.
    Timer after(std::int64_t milliseconds, std::function<void()> due);
    void cancel(Timer timer);

    // Until stop().
    Result<void> run();
    void stop() { stopping_ = true; }

private:
    explicit Loop(UniqueFd epoll) : epoll_(std::move(epoll)) {}
    int run_timers();  // milliseconds until the next, -1: none
    struct Entry {
        std::uint32_t generation;
        std::shared_ptr<std::function<void(std::uint32_t)>> ready;
    };
    UniqueFd epoll_;
    std::unordered_map<int, Entry> entries_;
    std::map<std::pair<std::int64_t, Timer>, std::function<void()>> timers_;  // by time
    std::unordered_map<Timer, std::int64_t> times_;
    Timer last_timer_ = 0;
    std::uint32_t last_generation_ = 0;
    bool stopping_ = false;
};

}  // namespace gantry::resolver
