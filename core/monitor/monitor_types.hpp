// Parts of Monitor that only its own files know.
#pragma once
#include "core/monitor/monitor.hpp"

namespace gantry::monitor {

struct Monitor::Control {
    UniqueFd fd;
    std::unique_ptr<Watch> watch;
    bool dead = false;
    bool acknowledges = false;
    std::uint64_t seen = 0;  // the last event it has acknowledged
};

struct Monitor::Exec {
    std::string id;
    std::unique_ptr<ProcessIo> io;
    std::uint64_t told = 0;  // the number of the event that told its end
    bool released = false;   // its clients have been let go
};

}  // namespace gantry::monitor
