// Works a graph off: a step as soon as all that it stands on is there, independent ones side by side, and only those that
// are wanted. The first failure cancels the rest.
#pragma once
#include <functional>
#include <optional>
#include <vector>

#include "core/build/cancel.hpp"
#include "core/build/graph.hpp"
#include "core/build/listener.hpp"
#include "core/build/value.hpp"

namespace gantry::build {

// The steps that `step` stands on, without repetition.
std::vector<StepId> inputs_of(const Step& step);
// Whether every step stands on earlier ones only, and the target names steps that there are. GANTRY_INTERNAL.
Result<void> check_graph(const Graph& graph);

struct Outcome {
    Value value;
    bool cached = false;
};

class Worker {
public:
    virtual ~Worker() = default;
    // Called once for a step, on one of the solver's threads. `input` gives the value of a step that this one stands on.
    virtual Result<Outcome> run(StepId step, const std::function<const Value&(StepId)>& input) = 0;
};

struct Solved {
    std::vector<std::optional<Value>> values;  // by step; none for one that was not wanted
    std::optional<StepId> failed;              // the step that `error` is of
    std::optional<Error> error;
};

// `wanted`: steps whose values are asked for. At most `parallel` run at a time, on this thread and others, which have
// ended when it returns.
Solved solve(const Graph& graph, const std::vector<StepId>& wanted, Worker& worker, Listener& listener, Cancel& cancel,
             int parallel);

}  // namespace gantry::build
