#include "core/resolver/loop.hpp"

#include <sys/epoll.h>

#include <algorithm>

#include "core/base/clock.hpp"

namespace gantry::resolver {
namespace {

std::uint64_t tag(int fd, std::uint32_t generation) {
    return std::uint64_t{generation} << 32 | static_cast<std::uint32_t>(fd);
}
std::int64_t now_ms() { return monotonic_ns() / 1'000'000; }

}  // namespace

Result<std::unique_ptr<Loop>> Loop::create() {
    UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
    if (!epoll) return fail_errno("make an epoll");
    return std::unique_ptr<Loop>(new Loop(std::move(epoll)));
}

Result<void> Loop::add(int fd, std::uint32_t events, std::function<void(std::uint32_t)> ready) {
    epoll_event event{};
    event.events = events;
    event.data.u64 = tag(fd, ++last_generation_);
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) return fail_errno("watch a descriptor");
    entries_[fd] = {last_generation_, std::make_shared<std::function<void(std::uint32_t)>>(std::move(ready))};
    return {};
}

void Loop::change(int fd, std::uint32_t events) {
    auto entry = entries_.find(fd);
    if (entry == entries_.end()) return;
    epoll_event event{};
    event.events = events;
    event.data.u64 = tag(fd, entry->second.generation);
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event);
}

void Loop::remove(int fd) {
    if (entries_.erase(fd) != 0) ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

Loop::Timer Loop::after(std::int64_t milliseconds, std::function<void()> due) {
    const Timer timer = ++last_timer_;
    times_[timer] = now_ms() + milliseconds;
    timers_[{times_[timer], timer}] = std::move(due);
    return timer;
}

void Loop::cancel(Timer timer) {
    auto time = times_.find(timer);
    if (time == times_.end()) return;
    timers_.erase({time->second, timer});
    times_.erase(time);
}

int Loop::run_timers() {
    while (!timers_.empty() && !stopping_) {
        auto first = timers_.begin();
        const std::int64_t wait = first->first.first - now_ms();
        if (wait > 0) return static_cast<int>(std::min<std::int64_t>(wait, 60'000));
        std::function<void()> due = std::move(first->second);
        times_.erase(first->first.second);
        timers_.erase(first);
        due();
    }
    return -1;
}

Result<void> Loop::run() {
    epoll_event events[128];
    while (!stopping_) {
        const int count = ::epoll_wait(epoll_.get(), events, 128, run_timers());
        if (count < 0 && errno != EINTR) return fail_errno("wait for events");
        for (int i = 0; i < count && !stopping_; ++i) {
            // A descriptor may have been closed, and its number used again, by an event before this one.
            auto entry = entries_.find(static_cast<int>(events[i].data.u64 & 0xffffffffu));
            if (entry == entries_.end() || entry->second.generation != events[i].data.u64 >> 32) continue;
            auto ready = entry->second.ready;
            (*ready)(events[i].events);
        }
    }
    return {};
}

}  // namespace gantry::resolver
