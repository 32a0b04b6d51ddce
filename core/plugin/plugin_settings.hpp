// What whoever installed a plugin may change of it, within what its configuration lets be set: Plugin.Settings of the API.
#pragma once
#include <string>
#include <vector>

#include <gantry/json.hpp>
#include <gantry/result.hpp>

namespace gantry::plugin {

// As the configuration has them.
Json default_settings(const Json& config);
// `settings` after NAME[.FIELD]=VALUE of each argument: a variable's value, a mount's source, a device's path, or the
// arguments. All or none. GANTRY_INVALID: nothing of that name, or it is not settable; says what is.
Result<Json> apply_settings(const Json& config, Json settings, const std::vector<std::string>& arguments);
// Of another version of the plugin: what was set, where this one lets it be set, too.
Json carried_settings(const Json& config, const Json& old_config, const Json& old_settings);
// GANTRY_PRECONDITION: a mount without a source or a device without a path, which have to be set first.
Result<void> check_complete(const Json& settings);
// Whether `settings` can be those of the configuration.
bool settings_fit(const Json& config, const Json& settings);

}  // namespace gantry::plugin
