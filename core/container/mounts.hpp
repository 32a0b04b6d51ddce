// What a create request says of file systems (Binds, Mounts, Tmpfs, Volumes, VolumesFrom), taken apart and checked.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "core/container/container.hpp"

namespace gantry::container {

struct WantedMounts {
    std::vector<MountPoint> points;  // sorted by destination, parents first; no destination twice
    std::vector<std::string> warnings;
    // For a volume that is to be made: its driver options and labels, by index into points.
    std::map<std::size_t, Json> volume_options, volume_labels;
};

// `config`, `host_config`: of the API, with the image's Volumes merged in. `from` gives the mounts of a container
// named in VolumesFrom. Errors in Docker's words (GANTRY_INVALID: "invalid mount config for type "bind": ...").
Result<WantedMounts> wanted_mounts(const Json& config, const Json& host_config,
                                   const std::function<Result<std::vector<MountPoint>>(const std::string&)>& from);

}  // namespace gantry::container
