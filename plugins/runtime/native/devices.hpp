// What stands in a container's /dev.
#pragma once
#include <vector>

#include <gantry/result.hpp>

#include "spec.hpp"

namespace gantry::native {

// mknod: by this process. bind: a user namespace may not make nodes, so the host's are shown.
enum class NodeMethod { mknod, bind };
// null, zero, full, random, urandom and tty, and the links fd, stdin, stdout, stderr, ptmx, in `dev`, the attached tmpfs
// on the container's /dev.
Result<void> fill_dev(int dev, NodeMethod method);
// The devices that config.json adds, below `root`. One that is there already must be the same.
Result<void> add_devices(int root, const std::vector<DeviceSpec>& devices, NodeMethod method);

}  // namespace gantry::native
