// The first question to a plugin that runs: what it implements. A plugin is a foreign program; what it answers is bounded in
// time and size, and the way to it is the socket that it has in its own directory, whatever it puts there.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include <gantry/json.hpp>
#include <gantry/result.hpp>

namespace gantry::plugin {

// POST /Plugin.Activate at the socket `name` in `directory` (borrowed); blocks for `timeout_ms` at most. Gives what it says that
// it implements. GANTRY_RETRY_LATER: nobody listens there yet. GANTRY_DEADLINE: it has not answered. Anything else is for good.
Result<std::vector<std::string>> activate(int directory, const std::string& name, int timeout_ms);

// The answer to that question. GANTRY_INVALID: it is none.
Result<std::vector<std::string>> read_implemented(std::string_view body);

// Each interface type of the configuration is among what is implemented: "docker.volumedriver/1.0" is "VolumeDriver".
// GANTRY_INVALID: names the first that is not, and what there is.
Result<void> check_implemented(const Json& types, const std::vector<std::string>& implemented);

}  // namespace gantry::plugin
