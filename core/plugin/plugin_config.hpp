// The configuration of a managed plugin: what its author says that it is, runs and needs. It comes with the plugin, from an
// archive or a registry, and is hostile text.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include <gantry/json.hpp>
#include <gantry/result.hpp>

namespace gantry::plugin {

inline constexpr std::string_view config_type = "application/vnd.docker.plugin.v1+json";
inline constexpr std::size_t most_config_bytes = 1u << 20;

// The document as Plugin.Config of the Engine API, whole: every member is there and of its type, so that whoever reads it
// further need not ask. Names of members are taken in any case, as the authors of plugins write them; what the API does not
// know is left out. A value that is not given stays null in Env.Value, Mounts.Source and Devices.Path. What it gives, it reads
// to the same again. GANTRY_INVALID names the member, what was found and what is allowed; GANTRY_UNSUPPORTED likewise.
Result<Json> read_config(std::string_view text);

// The capability of an interface type: "volumedriver" of "docker.volumedriver/1.0".
std::string capability_of(std::string_view type);

// Privilege objects of the Engine API: what whoever installs the plugin has to agree to.
Json privileges_of(const Json& config);
// GANTRY_DENIED unless `granted` (a list of such objects) is, in any order, what the configuration needs: names one that is
// missing, or that nobody asked for. GANTRY_INVALID: no such list.
Result<void> check_granted(const Json& config, const Json& granted);

}  // namespace gantry::plugin
