// Mounts as descriptors (fsopen, open_tree, mount_setattr): every option is a key of its own, so that no text of a
// user's can become a second option.
#pragma once
#include <string>

#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

#include "plugins/storage/volume/local/mount_options.hpp"

namespace gantry::local_volume {

// A new tmpfs, mounted nowhere yet.
Result<UniqueFd> make_tmpfs(const MountOptions& options);
// A detached copy of the mount at the directory behind `fd`, with `attributes` set on top.
Result<UniqueFd> clone_mount(int fd, bool recursive, std::uint64_t attributes);
// Attaches the detached mount at the directory behind `directory`.
Result<void> attach(int mount, int directory);
// True where the directory `path` is the root of a mount. Gives false for one that is not there.
Result<bool> is_mount_point(int parent, const char* name);

}  // namespace gantry::local_volume
