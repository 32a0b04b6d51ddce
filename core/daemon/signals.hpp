// SIGTERM and SIGINT as a call on a thread of their own; SIGHUP is ignored until there is something to reload.
#pragma once
#include <functional>
#include <thread>

#include <gantry/unique_fd.hpp>

namespace gantry::daemon {

class StopSignals {
public:
    // Blocks the signals in this thread and all that come from it; before any other thread is made.
    StopSignals();
    ~StopSignals();
    // `stop` is called once for the first signal.
    void watch(std::function<void()> stop);
    void end();

private:
    UniqueFd signals_, wake_;
    std::thread thread_;
};

}  // namespace gantry::daemon
