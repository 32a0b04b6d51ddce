// The kernel's mount interface by descriptors: trees that are nowhere yet, their attributes, and where they go.
// Source: fsopen, fsconfig, fsmount, open_tree, move_mount, mount_setattr (Linux 5.2 to 5.12).
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

namespace gantry::native {

// One parameter of a file system: "size=64k" or "ro".
using FsOptions = std::vector<std::string>;

// A new instance of a file system, attached nowhere. `attributes`: MOUNT_ATTR_*. `what` names it in errors.
Result<UniqueFd> new_filesystem(const std::string& type, const std::string& source, const FsOptions& options,
                                std::uint64_t attributes);

enum class Depth { one, tree };
// A copy of the mount (and those below it) that `fd` lies in, beginning at `fd`, attached nowhere. `fd` must lie in
// this process's mount namespace.
Result<UniqueFd> copy_tree(int fd, Depth depth);
Result<UniqueFd> copy_tree_at(const std::string& path, Depth depth);

// Attaches a tree; later use of its descriptor is use of the attached mount.
Result<void> attach_tree(int tree, int destination, std::string_view what);

// Sets and clears attributes and propagation (MS_PRIVATE, ...; 0: as it is) of a mount or of a tree.
Result<void> set_attributes(int tree, std::uint64_t set, std::uint64_t clear, std::uint64_t propagation, Depth depth);

}  // namespace gantry::native
