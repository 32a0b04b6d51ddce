// What goes to one client: sent at once by whichever thread has it; what the socket does not take waits here for the
// reactor. Thread-safe.
#pragma once
#include <atomic>
#include <condition_variable>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace gantry::http {

class Output {
public:
    // `fd` is borrowed, not blocking, and open until mark_gone() was called or this object ends.
    explicit Output(int fd) : fd_(fd) {}

    enum class State { clear = 1, waiting, gone };
    // Sends the pieces in order. waiting: the reactor must flush() when the socket is writable.
    State send(std::initializer_list<std::string_view> pieces);
    // The same of a head and a body that may go to many clients: what waits of the body is not copied, but held.
    State send(std::string_view head, std::shared_ptr<const std::string> body);
    // Reactor: sends what waits.
    State flush();
    // Blocks until fewer than `limit` bytes wait; false: the client is gone.
    bool wait_for_room(std::size_t limit);
    void mark_gone();
    bool gone() const { return gone_.load(std::memory_order_acquire); }
    std::size_t pending() const;

private:
    std::size_t pending_locked() const { return waiting_.size() - sent_ + (body_ ? body_->size() - body_sent_ : 0); }
    // One call of the kernel, with as much of the pieces as it takes; sets gone_ where nobody is there to take any.
    std::size_t offer(std::initializer_list<std::string_view> pieces);
    void let_go();

    const int fd_;
    mutable std::mutex mutex_;
    std::condition_variable room_;
    std::string waiting_;
    std::size_t sent_ = 0;                     // of waiting_
    std::shared_ptr<const std::string> body_;  // goes out behind waiting_
    std::size_t body_sent_ = 0;
    std::atomic<bool> gone_ = false;
};

}  // namespace gantry::http
