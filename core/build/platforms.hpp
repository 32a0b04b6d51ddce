// A build for several platforms: one graph of those that were planned for each, and whom a step is for.
#pragma once
#include <string>
#include <vector>

#include <gantry/result.hpp>

#include "core/build/graph.hpp"

namespace gantry::build {

inline constexpr std::size_t most_platforms = 32;

// What this machine runs.
Platform own_platform();
// "linux/amd64" taken apart. GANTRY_INVALID: not a platform; GANTRY_UNSUPPORTED: not linux.
Result<Platform> parse_platform(const std::string& text);
// A list of them, in its order; one that is named twice, by whatever name, counts once. GANTRY_EXHAUSTED: more than
// most_platforms.
Result<std::vector<Platform>> parse_platforms(const std::vector<std::string>& texts);

// The graphs, at least one, as one with a target for each: a step that several have is there once, and so is a warning.
Graph join_graphs(std::vector<Graph> graphs);
// The platforms whose targets need the step, for people: "linux/amd64, linux/arm64". "" in a graph with one target.
std::string platforms_of(const Graph& graph, StepId step);

// What a process's failure is, where the step is for another machine and that is why the program could not be executed: names
// the step, its platform and what would be needed. Any other failure is what it was.
Error explain_foreign(const Step& step, Error failed);

}  // namespace gantry::build
