// The mounts of config.json, each placed by descriptor inside the container's root.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

#include "mount_api.hpp"
#include "spec.hpp"

namespace gantry::native {

class Cgroups;

// "ro", "nosuid", "rslave", "size=64m", ... sorted out.
struct MountOptions {
    std::uint64_t set = 0, clear = 0, recursive_set = 0, recursive_clear = 0, propagation = 0;
    Depth propagation_depth = Depth::one, bind_depth = Depth::one;
    bool bind = false;
    FsOptions data;  // for the file system
};
Result<MountOptions> parse_mount_options(const MountSpec& mount);

// Where a mount may go, by its clean path, its file system and what is there already: nothing hides or fakes /proc and
// /sys. `destination` is the resolved place, `tree` what would be mounted.
Result<void> check_destination(const std::string& clean, int destination, int tree);

// Mounts one entry below `root`. `source`: the tree of a bind mount, attached nowhere. Cgroup mounts show the groups of
// `cgroups` (may be null: none). Gives the mounted tree.
Result<UniqueFd> place_mount(int root, const MountSpec& mount, UniqueFd source, const Cgroups* cgroups);

}  // namespace gantry::native
