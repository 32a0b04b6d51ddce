#include "core/driver/workers.hpp"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>

#include "core/driver/signals.hpp"

namespace gantry::driver {

struct Workers::State {
    std::mutex mutex;
    std::condition_variable wake, ended;
    std::deque<std::function<void()>> queue;
    std::size_t most = 1, alive = 0, idle = 0;
    bool stop = false;
};

Workers::Workers(std::size_t most) : state_(std::make_shared<State>()) { state_->most = most; }

Workers::~Workers() {
    std::unique_lock lock(state_->mutex);
    state_->stop = true;
    state_->wake.notify_all();
    state_->ended.wait(lock, [&] { return state_->idle == 0; });
}

bool Workers::submit(std::function<void()> work) {
    std::unique_lock lock(state_->mutex);
    state_->queue.push_back(std::move(work));
    if (state_->idle >= state_->queue.size() || state_->alive >= state_->most) {
        state_->wake.notify_one();
        return true;
    }
    SignalsBlocked blocked;
    try {
        // Detached: a thread that a driver never gives back cannot be joined.
        std::thread([state = state_] { loop(state); }).detach();
        ++state_->alive;
    } catch (const std::system_error&) {
        if (state_->alive == 0) {
            state_->queue.pop_back();
            return false;
        }
        state_->wake.notify_one();
    }
    return true;
}

void Workers::loop(const std::shared_ptr<State>& state) noexcept {
    constexpr auto patience = std::chrono::seconds(20);
    std::unique_lock lock(state->mutex);
    for (;;) {
        ++state->idle;
        bool woken = state->wake.wait_for(lock, patience, [&] { return state->stop || !state->queue.empty(); });
        --state->idle;
        if (!woken || (state->stop && state->queue.empty())) break;
        std::function<void()> work = std::move(state->queue.front());
        state->queue.pop_front();
        lock.unlock();
        work();
        work = nullptr;
        lock.lock();
    }
    --state->alive;
    state->ended.notify_all();
}

}  // namespace gantry::driver
