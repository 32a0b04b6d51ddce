#include "core/cli/build/build_state.hpp"

#include "core/base/clock.hpp"
#include "core/cli/json_access.hpp"
#include "core/cli/printable.hpp"

namespace gantry::cli {
namespace {

// What a hostile engine must not fill memory with.
constexpr std::size_t step_limit = 100000, warning_limit = 1000, bytes_limit = 1000;

}  // namespace

Result<StepState*> BuildState::step_of(const Json& header) {
    const Json& number = member(header, "step");
    if (!number.is_number_integer())
        return fail(Code::corrupt, "the engine sent a message about a step without its number");
    StepState*& step = by_id_[as_number(number)];
    if (step) return step;
    if (steps_.size() >= step_limit) return fail(Code::exhausted, "the engine sent more than 100000 steps");
    step = &steps_.emplace_back();
    step->number = steps_.size();
    step->started_ns = monotonic_ns();
    return step;
}

Result<void> BuildState::take(const Frame& frame) {
    view_.frame(frame);
    const Json& header = frame.header;
    const std::string type = text_at(header, "type");
    if (type == "warning") {
        if (warnings_.size() < warning_limit)
            warnings_.push_back({printable(text_at(header, "rule"), Breaks::escape),
                                 without_escapes(text_at(header, "message")), number_at(header, "first"),
                                 number_at(header, "last")});
        return {};
    }
    GANTRY_TRY(StepState * step, step_of(header));
    auto line = [&](const std::string& text) { view_.line(*step, text); };
    if (type == "log") {
        step->output.push(frame.body, line);
        return {};
    }
    if (type == "progress") {
        const std::string what = without_escapes(text_at(header, "what"));
        auto found =
            std::find_if(step->bytes.begin(), step->bytes.end(), [&](const auto& bytes) { return bytes.what == what; });
        if (found == step->bytes.end()) {
            if (step->bytes.size() >= bytes_limit) return {};
            found = step->bytes.insert(step->bytes.end(), {what, 0, 0, monotonic_ns(), 0});
        }
        found->current = as_real(member(header, "current"));
        found->total = as_real(member(header, "total"));
        view_.bytes(*step, *found);
        return {};
    }
    if (std::string name = without_escapes(text_at(header, "name")); !name.empty()) step->name = name;
    if (std::string stage = without_escapes(text_at(header, "stage")); !stage.empty()) step->stage = stage;
    const std::string state = text_at(header, "state");
    if (state == "started") {
        step->phase = StepState::Phase::running;
        step->started_ns = monotonic_ns();
    } else if (state == "done" || state == "cached" || state == "error" || state == "canceled") {
        step->output.finish(line);
        step->phase = state == "done"     ? StepState::Phase::done
                      : state == "cached" ? StepState::Phase::cached
                      : state == "error"  ? StepState::Phase::failed
                                          : StepState::Phase::canceled;
        step->error = without_escapes(text_at(header, "error"));
        const Json& ms = member(header, "ms");
        step->seconds =
            ms.is_number() ? as_real(ms) / 1000 : static_cast<double>(monotonic_ns() - step->started_ns) / 1e9;
    } else {
        return fail(Code::corrupt, "the engine sent a step in the unknown state \"" + state.substr(0, 50) + "\"");
    }
    view_.step(*step);
    return {};
}

BuildError BuildState::error_of(const Json& header) {
    BuildError error;
    error.message = without_escapes(text_at(header, "message"));
    error.first = number_at(header, "first");
    error.last = number_at(header, "last");
    error.usage = flag_at(header, "usage");
    if (auto found = by_id_.find(number_at(header, "step"));
        member(header, "step").is_number() && found != by_id_.end())
        error.step = found->second;
    return error;
}

void BuildState::finish(bool success) {
    for (StepState& step : steps_) {
        if (step.ended()) continue;
        step.output.finish([&](const std::string& text) { view_.line(step, text); });
        step.phase = success ? StepState::Phase::done : StepState::Phase::canceled;
        step.seconds = static_cast<double>(monotonic_ns() - step.started_ns) / 1e9;
        view_.step(step);
    }
    view_.end(success);
}

}  // namespace gantry::cli
