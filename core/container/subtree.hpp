// A part of a root file system as a mount of its own, attached nowhere: what a mount of an image, or of a build's step, binds.
#pragma once
#include <string>

#include <gantry/json.hpp>
#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

#include "core/container/rootfs_view.hpp"

namespace gantry::container {

// `mounts`: a layer driver's plan. `path` is resolved as a process whose root it is would; nothing outside can be meant.
// Gives a descriptor that the launcher takes as the source of a mount.
Result<UniqueFd> open_subtree(const Json& mounts, const std::string& path, Access access);

}  // namespace gantry::container
