// The ways in which a build is shown; all write to standard error.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "core/cli/build/build_state.hpp"
#include "core/cli/terminal.hpp"

namespace gantry::cli {

using WriteText = std::function<void(std::string_view)>;

// A line for each event, BuildKit's plain layout; steps that run side by side take turns.
std::unique_ptr<BuildView> make_plain_view(WriteText write);
// A list of the steps that is drawn over itself. `clock`: monotonic nanoseconds. `colours`: whether they may be used.
std::unique_ptr<BuildView> make_terminal_view(WriteText write, std::function<TerminalSize()> size,
                                              std::function<std::int64_t()> clock, bool colours);
// The engine's messages, a JSON object a line, each with "time"; output as text in "data".
std::unique_ptr<BuildView> make_json_view(WriteText write);
std::unique_ptr<BuildView> make_quiet_view();

// "0.3s", "12.0s"
std::string step_seconds(double seconds);

}  // namespace gantry::cli
