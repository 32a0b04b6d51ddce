// Times of the steps of a container's start, end and removal, for --trace-start.
#pragma once
#include <string>

#include "core/base/clock.hpp"
#include "core/base/log.hpp"

namespace gantry::container {

// One log line a step, with the microseconds since the step before; nothing unless it is on. For one thread.
class Trace {
public:
    // `what` is "start", "end" or "removal"; `id` the container's.
    Trace(bool on, std::string_view what, std::string_view id)
        : on_(on), what_(what), id_(id.substr(0, 12)), last_(on ? monotonic_ns() : 0) {}
    void step(std::string_view name) {
        if (!on_) return;
        const std::int64_t now = monotonic_ns();
        log::info("trace-" + what_,
                  {{"container", id_}, {"step", std::string(name)}, {"us", std::to_string((now - last_) / 1000)}});
        last_ = monotonic_ns();
    }

private:
    bool on_;
    std::string what_, id_;
    std::int64_t last_;
};

}  // namespace gantry::container
