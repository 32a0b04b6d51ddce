#include <algorithm>
#include <cstdio>
#include <map>
#include <vector>

#include "core/base/clock.hpp"
#include "core/cli/build/views.hpp"
#include "core/cli/json_access.hpp"
#include "core/cli/units.hpp"

namespace gantry::cli {
namespace {

constexpr std::int64_t turn_ns = 3'000'000'000, bytes_every_ns = 5'000'000'000;
constexpr std::size_t waiting_limit = 256u << 10;

class PlainView final : public BuildView {
public:
    explicit PlainView(WriteText write) : write_(std::move(write)) {}

    void step(StepState& step) override {
        const std::string prefix = "#" + std::to_string(step.number) + " ";
        switch (step.phase) {
        case StepState::Phase::running: return say(step, "");
        case StepState::Phase::cached: return say(step, prefix + "CACHED\n");
        case StepState::Phase::failed: return say(step, prefix + "ERROR: " + step.error + "\n");
        case StepState::Phase::canceled: return say(step, prefix + "CANCELED\n");
        case StepState::Phase::done: return say(step, prefix + "DONE " + step_seconds(step.seconds) + "\n");
        }
    }
    void line(StepState& step, const std::string& text) override {
        char time[32];
        std::snprintf(time, sizeof time, "%.3f", static_cast<double>(monotonic_ns() - step.started_ns) / 1e9);
        say(step, "#" + std::to_string(step.number) + " " + time + " " + text + "\n");
    }
    void bytes(StepState& step, StepState::Bytes& bytes) override {
        // The end is told of, and what lasts from time to time.
        const std::int64_t now = monotonic_ns();
        const bool complete = bytes.total > 0 && bytes.current >= bytes.total;
        if (!complete && now - std::max(bytes.shown_ns, bytes.since_ns) < bytes_every_ns) return;
        if (complete && bytes.shown_ns < 0) return;
        bytes.shown_ns = complete ? -1 : now;
        say(step, "#" + std::to_string(step.number) + " " + bytes.what + " " + human_size(bytes.current) +
                      (bytes.total > 0 ? " / " + human_size(bytes.total) : "") + " " +
                      step_seconds(static_cast<double>(now - bytes.since_ns) / 1e9) + (complete ? " done\n" : "\n"));
    }
    void tick() override {
        if (current_ != 0 && monotonic_ns() - since_ns_ > turn_ns) take_turns();
    }
    void end(bool) override { take_turns(); }

private:
    struct Waiting {
        std::string name, text;
        bool ended = false;
    };

    // Writes under the step's heading, or keeps it until the step whose turn it is has ended or had its time.
    void say(const StepState& step, const std::string& text) {
        if (current_ != 0 && current_ != step.number) {
            Waiting& waiting = waiting_[step.number];
            waiting.name = step.name;
            waiting.text += text;
            waiting.ended = step.ended();
            if (waiting.text.size() > waiting_limit) take_turns();
            return;
        }
        take(step.number, step.name);
        write_(text);
        if (!step.ended()) return;
        current_ = 0;
        take_turns();
    }

    void take(std::size_t number, const std::string& name) {
        if (current_ == number) return;
        if (current_ != 0) write_("#" + std::to_string(current_) + " ...\n");
        write_((begun_ ? "\n#" : "#") + std::to_string(number) + " " + name + "\n");
        begun_ = true;
        current_ = number;
        since_ns_ = monotonic_ns();
    }

    void take_turns() {
        for (auto& [number, waiting] : std::exchange(waiting_, {})) {
            take(number, waiting.name);
            write_(waiting.text);
            if (waiting.ended) current_ = 0;
        }
        since_ns_ = monotonic_ns();
    }

    WriteText write_;
    std::map<std::size_t, Waiting> waiting_;
    std::size_t current_ = 0;  // whose turn it is; 0: nobody's
    std::int64_t since_ns_ = 0;
    bool begun_ = false;
};

class JsonView final : public BuildView {
public:
    explicit JsonView(WriteText write) : write_(std::move(write)) {}
    void frame(const Frame& frame) override {
        Json line = frame.header;
        line["time"] = rfc3339(wall_clock_ns());
        if (text_at(line, "type") == "log") line["data"] = frame.body;
        write_(line.dump(-1, ' ', true, Json::error_handler_t::replace) + "\n");
    }

private:
    WriteText write_;
};

}  // namespace

std::string step_seconds(double seconds) {
    char text[32];
    std::snprintf(text, sizeof text, "%.1fs", std::clamp(seconds, 0.0, 1e9));
    return text;
}

std::unique_ptr<BuildView> make_plain_view(WriteText write) { return std::make_unique<PlainView>(std::move(write)); }
std::unique_ptr<BuildView> make_json_view(WriteText write) { return std::make_unique<JsonView>(std::move(write)); }
std::unique_ptr<BuildView> make_quiet_view() { return std::make_unique<BuildView>(); }

}  // namespace gantry::cli
