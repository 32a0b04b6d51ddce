// Keeps gantry-resolver running: the process that answers names outlives the engine, and is replaced when it dies.
#pragma once
#include <string>
#include <thread>

#include <gantry/unique_fd.hpp>

#include "core/container/monitor_client.hpp"

namespace gantry::daemon {

class ResolverKeeper {
public:
    // `program`: gantry-resolver; `run`: the engine's run directory (names are in run/names). Begins at once.
    ResolverKeeper(std::string program, std::string run, container::Launcher& launcher);
    // Leaves the resolver alone.
    ~ResolverKeeper();
    // Ends the resolver and waits until it is gone.
    void end();

private:
    void keep();
    // The running resolver as a pidfd; none: there is none.
    UniqueFd find();
    // True when told to stop, within the time (-1: however long) or before `process` (-1: none) ends.
    bool stopped(int process, int timeout_ms);
    std::string program_, run_;
    container::Launcher& launcher_;
    UniqueFd stop_;  // an eventfd
    std::thread thread_;
};

}  // namespace gantry::daemon
