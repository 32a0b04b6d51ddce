// A container's root file system as the engine sees it: a mount attached nowhere, so that the host's mount table never
// shows it and closing the descriptor takes it away. Source: fsopen(2), open_tree(2), Linux 5.2.
#pragma once
#include <gantry/json.hpp>
#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

namespace gantry::container {

enum class Access { read_only = 1, read_write };

// `mounts`: the plan that a layer driver gave (abi/layer.h). Gives a directory descriptor of the mounted root.
// read_write on an overlay that is mounted elsewhere at the same time is undefined (kernel, overlayfs.rst): the caller
// sees to it that the container does not run.
Result<UniqueFd> open_rootfs(const Json& mounts, Access access);

}  // namespace gantry::container
