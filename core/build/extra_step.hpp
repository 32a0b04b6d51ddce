// Work of a build that is no step of its graph, told of as one: from its construction to end(), once.
#pragma once
#include <string>

#include <gantry/result.hpp>

#include "core/base/clock.hpp"
#include "core/build/listener.hpp"

namespace gantry::build {

class ExtraStep {
public:
    // `listener`: nullptr where nobody is told.
    ExtraStep(Listener* listener, const std::string& name) : listener_(listener), begun_ns_(monotonic_ns()) {
        if (!listener_) return;
        step_ = listener_->extra(name);
        listener_->step(step_, StepState::started, 0, "");
    }
    void progress(std::string_view what, std::int64_t current, std::int64_t total) {
        if (listener_) listener_->progress(step_, what, current, total);
    }
    // Gives the result back.
    template <typename T>
    T end(T result) {
        if (!listener_) return result;
        const std::int64_t ms = (monotonic_ns() - begun_ns_) / 1'000'000;
        if (result)
            listener_->step(step_, StepState::done, ms, "");
        else if (result.error().code == Code::cancelled)
            listener_->step(step_, StepState::canceled, ms, "");
        else
            listener_->step(step_, StepState::error, ms, result.error().text);
        return result;
    }

private:
    Listener* const listener_;
    const std::int64_t begun_ns_;
    StepId step_ = 0;
};

}  // namespace gantry::build
