// GET /info and GET /version: what this engine and its host are.
#pragma once
#include "core/daemon/deps.hpp"

namespace gantry::daemon {

inline constexpr const char* engine_version = "0.1.0";

Json system_info(Deps& deps);
Json system_version();

}  // namespace gantry::daemon
