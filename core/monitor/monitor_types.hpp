// Parts of Monitor that only its own files know.
#pragma once
#include "core/monitor/monitor.hpp"

namespace gantry::monitor {

struct Monitor::Control {
    UniqueFd fd;
    std::unique_ptr<Watch> watch;
    bool dead = false;
};

struct Monitor::Exec {
    std::string id;
    std::unique_ptr<ProcessIo> io;
};

}  // namespace gantry::monitor
