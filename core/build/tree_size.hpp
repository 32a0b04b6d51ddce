// How much a directory of the engine's own holds.
#pragma once
#include <cstdint>
#include <string>

namespace gantry::build {

// Bytes of the regular files below `path`, links not followed; 0 where it is not there.
std::int64_t tree_size(const std::string& path);

}  // namespace gantry::build
