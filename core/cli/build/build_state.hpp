// What is known of a running build: its steps, their output and how far they are. Views show it.
#pragma once
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <gantry/json.hpp>
#include <gantry/result.hpp>

#include "core/cli/build/frame.hpp"
#include "core/cli/build/output_text.hpp"

namespace gantry::cli {

struct StepState {
    enum class Phase { running = 1, done, cached, failed, canceled };
    std::size_t number = 0;  // in the order in which steps were heard of, from 1
    Phase phase = Phase::running;
    std::string name, stage, error;
    std::int64_t started_ns = 0;  // monotonic
    double seconds = 0;           // once it has ended
    OutputLines output;
    struct Bytes {
        std::string what;
        double current = 0, total = 0;
        std::int64_t since_ns = 0, shown_ns = 0;
    };
    std::vector<Bytes> bytes;
    bool ended() const { return phase != Phase::running; }
};

// Every text is safe to show already.
class BuildView {
public:
    virtual ~BuildView() = default;
    // A frame as it came, before anything is made of it.
    virtual void frame(const Frame&) {}
    // The step has begun or ended.
    virtual void step(StepState&) {}
    virtual void line(StepState&, const std::string&) {}
    virtual void bytes(StepState&, StepState::Bytes&) {}
    // Time has passed, or the terminal has another size.
    virtual void tick() {}
    // The build is over; nothing more is shown afterwards.
    virtual void end(bool) {}
};

struct BuildWarning {
    std::string rule, message;
    std::int64_t first = 0, last = 0;
};

struct BuildError {
    std::string message;
    std::int64_t first = 0, last = 0;
    const StepState* step = nullptr;
    bool usage = false;
};

class BuildState {
public:
    explicit BuildState(BuildView& view) : view_(view) {}
    // Takes "step", "log", "progress" and "warning". GANTRY_CORRUPT: what no engine sends.
    Result<void> take(const Frame& frame);
    // What an "error" frame says.
    BuildError error_of(const Json& header);
    // Steps that run are over: the build is.
    void finish(bool success);

    const std::deque<StepState>& steps() const { return steps_; }
    const std::vector<BuildWarning>& warnings() const { return warnings_; }

private:
    Result<StepState*> step_of(const Json& header);

    BuildView& view_;
    std::deque<StepState> steps_;
    std::map<std::int64_t, StepState*> by_id_;
    std::vector<BuildWarning> warnings_;
};

}  // namespace gantry::cli
