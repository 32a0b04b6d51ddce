#include "core/monitor/loop.hpp"

namespace gantry::monitor {

Result<Loop> Loop::create() {
    UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
    if (!epoll) return fail_errno("epoll_create1");
    return Loop(std::move(epoll));
}

Result<bool> Loop::run_once(int timeout_ms) {
    int count = ::epoll_wait(epoll_.get(), batch_.data(), static_cast<int>(batch_.size()), timeout_ms);
    if (count < 0) {
        if (errno == EINTR) return true;
        return fail_errno("epoll_wait");
    }
    batch_size_ = static_cast<std::size_t>(count);
    for (std::size_t i = 0; i < batch_size_; ++i) {
        auto* watch = static_cast<Watch*>(batch_[i].data.ptr);
        // An earlier callback of this batch may have destroyed the watch or changed its mind.
        if (watch && watch->events_) watch->on_ready_(batch_[i].events);
    }
    batch_size_ = 0;
    return count > 0;
}

void Loop::forget(const Watch* watch) {
    for (std::size_t i = 0; i < batch_size_; ++i)
        if (batch_[i].data.ptr == watch) batch_[i].data.ptr = nullptr;
}

Watch::~Watch() {
    want(0);
    loop_.forget(this);
}

bool Watch::want(std::uint32_t events) {
    if (events == events_) return true;
    epoll_event event{};
    event.events = events;
    event.data.ptr = this;
    int operation = events == 0 ? EPOLL_CTL_DEL : events_ == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    if (::epoll_ctl(loop_.epoll_.get(), operation, fd_, &event) != 0 && events != 0) return false;
    events_ = events;
    return true;
}

}  // namespace gantry::monitor
