// SIGTERM, SIGINT and SIGHUP as calls on a thread of their own.
#pragma once
#include <functional>
#include <thread>

#include <gantry/unique_fd.hpp>

namespace gantry::daemon {

class Signals {
public:
    // Blocks the signals in this thread and all that come from it; before any other thread is made. What comes before
    // watch() is kept.
    Signals();
    ~Signals();
    // `stop` is called once, for the first SIGTERM or SIGINT; the second ends the process at once. `reload` is called for
    // SIGHUP until then. Both on this object's thread, which takes no further signal before they return.
    void watch(std::function<void()> stop, std::function<void()> reload);
    // No call is under way when it returns, and none comes.
    void end();

private:
    UniqueFd signals_, wake_;
    std::thread thread_;
};

}  // namespace gantry::daemon
