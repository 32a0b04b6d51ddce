// What is said when a build is over: warnings, and what went wrong with the lines of the Dockerfile that it is about.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "core/cli/build/build_state.hpp"

namespace gantry::cli {

// "Dockerfile:3" and the lines round first..last, these marked with ">>>"; "" where there are none.
std::string excerpt(std::string_view dockerfile, std::string_view name, std::int64_t first, std::int64_t last);
// Each warning with its excerpt.
std::string warnings_report(const std::vector<BuildWarning>& warnings, std::string_view dockerfile,
                            std::string_view name);
// The step's last output and the excerpt; the message itself is the caller's.
std::string error_report(const BuildError& error, std::string_view dockerfile, std::string_view name);

}  // namespace gantry::cli
