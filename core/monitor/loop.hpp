// A single-threaded epoll loop: descriptors with callbacks.
#pragma once
#include <sys/epoll.h>

#include <array>
#include <cstdint>
#include <functional>

#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

namespace gantry::monitor {

class Watch;

class Loop {
public:
    static Result<Loop> create();
    Loop(Loop&&) = default;
    // Waits for at most timeout_ms (-1: for ever) and runs the callbacks of one batch. false: the time ran out.
    Result<bool> run_once(int timeout_ms);
    int fd() const { return epoll_.get(); }

private:
    friend class Watch;
    explicit Loop(UniqueFd epoll) : epoll_(std::move(epoll)) {}
    void forget(const Watch* watch);

    UniqueFd epoll_;
    std::array<epoll_event, 16> batch_{};
    std::size_t batch_size_ = 0;
};

// One descriptor (borrowed) in a loop. A callback must not destroy its own Watch; it may destroy any other.
class Watch {
public:
    Watch(Loop& loop, int fd, std::function<void(std::uint32_t)> on_ready)
        : loop_(loop), fd_(fd), on_ready_(std::move(on_ready)) {}
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;
    ~Watch();
    // From now on exactly these events (EPOLLHUP and EPOLLERR always come too); 0: none at all. Level-triggered.
    // false: this kind of descriptor cannot be waited for (it is always ready).
    bool want(std::uint32_t events);

private:
    friend class Loop;
    Loop& loop_;
    int fd_;
    std::uint32_t events_ = 0;
    std::function<void(std::uint32_t)> on_ready_;
};

}  // namespace gantry::monitor
