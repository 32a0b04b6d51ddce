// HostConfig.LogConfig: checked and turned into what a monitor is told.
#pragma once
#include <string>

#include <gantry/json.hpp>
#include <gantry/result.hpp>

namespace gantry::container {

// {"driver", "path", "max_size", "max_file", "attrs"} for LaunchRequest::log; `directory` is where the files go. `config`: the
// container's, of which the options "labels" and "env" take what each line is to tell besides. Unknown driver or option, bad
// value: GANTRY_INVALID with what is allowed.
Result<Json> log_settings(const Json& log_config, const std::string& directory, const Json& config = Json::object());

}  // namespace gantry::container
