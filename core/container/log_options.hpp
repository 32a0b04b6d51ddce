// HostConfig.LogConfig: checked and turned into what a monitor is told.
#pragma once
#include <string>
#include <string_view>

#include <gantry/json.hpp>
#include <gantry/result.hpp>

namespace gantry::container {

// Whose log it is, for the option "tag".
struct LogOwner {
    std::string id, name, image_id, image;  // "sha256:..", and what the user called it
};

// {"driver", "path", "max_size", "max_file", "attrs"} for LaunchRequest::log; `directory` is where the files go. `config`: the
// container's, of which the options "labels", "env" and those with "-regex" take what each line is to tell besides. Unknown driver
// or option, bad value: GANTRY_INVALID with what is allowed.
Result<Json> log_settings(const Json& log_config, const std::string& directory, const Json& config = Json::object(),
                          const LogOwner& owner = {});

// The option "tag": text with {{.ID}}, {{.Name}} and the like replaced. GANTRY_INVALID for others, with those that there are.
Result<std::string> log_tag(std::string_view text, const LogOwner& owner);

}  // namespace gantry::container
