// The worker threads: made when there is work, ended when there is none for a while.
#pragma once
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>

namespace gantry::http {

class Workers {
public:
    explicit Workers(int usual);
    ~Workers() { stop(); }
    Workers(const Workers&) = delete;
    Workers& operator=(const Workers&) = delete;

    // Runs `work` on one of the threads. Exceptions are caught and logged. Any thread. waits: every thread is busy,
    // relieve() should be called in a moment.
    enum class Posted { soon = 1, waits };
    Posted post(std::function<void()> work);
    // Called now and then while work waits: makes more threads when the usual ones all wait for something.
    void relieve();
    // Work is waiting for a thread.
    bool has_backlog() const;
    int threads() const;
    // Waits a second for what runs; a thread that is still busy then is left to itself. Nothing is begun any more.
    void stop();

private:
    struct State;
    static void run(const std::shared_ptr<State>& state);
    static void add_thread(const std::shared_ptr<State>& state);
    std::shared_ptr<State> state_;
};

}  // namespace gantry::http
