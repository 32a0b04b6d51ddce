// What happens to the steps of one build, as it happens. Called from several threads at a time, in order for each step.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "core/build/graph.hpp"

namespace gantry::build {

enum class StepState { started = 1, cached, done, error, canceled };
// "started", "cached", ...: the protocol's words.
std::string_view name_of(StepState state);

class Listener {
public:
    virtual ~Listener() = default;
    // `error` is set for StepState::error only; `ms` is the time since the start.
    virtual void step(StepId step, StepState state, std::int64_t ms, const std::string& error) = 0;
    // A process of the step is about to run; `id`: that of the container which it has for itself (64 hex digits).
    virtual void process(StepId step, const std::string& id) {
        (void)step;
        (void)id;
    }
    // What the step wrote to stdout (1) or stderr (2). May block while the client is slow.
    virtual void log(StepId step, int stream, std::string_view bytes) = 0;
    // `total` 0: not known.
    virtual void progress(StepId step, std::string_view what, std::int64_t current, std::int64_t total) = 0;
    // A step beside the graph's, of this name, from here on; gives what the calls above know it by. Any thread, any time.
    virtual StepId extra(const std::string& name) {
        (void)name;
        return SIZE_MAX;  // nobody asks for such steps
    }
};

}  // namespace gantry::build
