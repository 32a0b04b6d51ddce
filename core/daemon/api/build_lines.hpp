// What a classic build says while it goes, in the words and the order of Docker's classic builder: "Step 2/5 : RUN make",
// " ---> Using cache". Steps run side by side; what one says before its instruction's turn waits for that.
#pragma once
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "core/build/dockerfile_build.hpp"
#include "core/daemon/api/json_stream.hpp"

namespace gantry::daemon {

// Thread-safe.
class BuildLines final : public build::Listener {
public:
    struct Options {
        bool quiet = false;
        bool remove_failed = false;                 // forcerm: the container of a step that failed is told to be gone
        std::map<std::string, std::string> labels;  // that the request adds: Docker takes them for instructions
    };
    BuildLines(JsonStream& stream, Options options) : stream_(stream), options_(std::move(options)) {}

    // Once, before the first step.
    void plan(const build::Graph& graph);
    void warn(const std::string& warning);
    // The last lines. `id`: of the image, "sha256:..".
    void done(const std::string& id, const std::vector<std::string>& tags);
    // What was still waiting, and what Docker says of a process that failed: clients look for it.
    Error failed(Error error, const build::BuildProblem& problem);

    void step(build::StepId step, build::StepState state, std::int64_t ms, const std::string& error) override;
    void process(build::StepId step, const std::string& id) override;
    void log(build::StepId step, int stream, std::string_view bytes) override;
    void progress(build::StepId, std::string_view, std::int64_t, std::int64_t) override {}

private:
    struct Item {                       // an instruction
        std::string text, first, last;  // its lines behind "Step n/m" and at its end
        bool shown = true, begun = false;
        std::set<build::StepId> open;  // steps that have not ended
        std::string waiting;           // what they said before its turn
    };
    struct Known {  // a step
        std::size_t item = SIZE_MAX;
        std::string command, container;
        bool source = false;
    };
    void say(const std::string& text);
    void say_of(build::StepId step, const std::string& text);
    void begin(Item& item, std::size_t number);
    void advance();

    JsonStream& stream_;
    const Options options_;
    std::mutex mutex_;  // all below, and the order of what is sent
    std::vector<Item> items_;
    std::vector<Known> steps_;
    std::size_t at_ = 0, waiting_bytes_ = 0;
};

}  // namespace gantry::daemon
