// A container's published ports, changed from a command line.
#pragma once
#include <string>
#include <vector>

#include "core/cli/command.hpp"

namespace gantry::cli {

// `add` and `remove`: as -p takes them, or the container's port alone. All of it or nothing.
Result<void> change_published(Call& call, const std::string& name, const std::vector<std::string>& add,
                              const std::vector<std::string>& remove);

}  // namespace gantry::cli
