// The end of a build before its time: its client went away, or one of its steps failed. Thread-safe.
#pragma once
#include <atomic>
#include <functional>
#include <map>
#include <mutex>

#include <gantry/result.hpp>

namespace gantry::build {

class Cancel {
public:
    // Calls what waits for it, on this thread; later calls do nothing.
    void cancel();
    bool cancelled() const { return cancelled_.load(std::memory_order_acquire); }
    // GANTRY_CANCELLED once cancelled.
    Result<void> check() const;

    // While it lives, `act` is called on cancel(), at once where that has been; never after its destruction.
    class Watch {
    public:
        Watch(Cancel& cancel, std::function<void()> act);
        Watch(const Watch&) = delete;
        Watch& operator=(const Watch&) = delete;
        ~Watch();

    private:
        Cancel& cancel_;
        int number_ = 0;
    };

private:
    std::atomic<bool> cancelled_ = false;
    std::mutex mutex_;  // held while what waits is called, so that a Watch's end waits for that
    int next_ = 1;
    std::map<int, std::function<void()>> waiting_;
};

}  // namespace gantry::build
