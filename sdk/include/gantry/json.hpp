// The JSON type of the SDK and the engine.
#pragma once
#include <nlohmann/json.hpp>

namespace gantry {
using Json = nlohmann::json;
}  // namespace gantry
