// A whole copy of a directory tree, with all that a container can see of it.
#pragma once
#include <functional>

#include <gantry/result.hpp>

namespace gantry::storage {

// Fills the empty directory `to` with what `from` holds (both borrowed): content by reflink where the file system can,
// holes kept, hard links within the tree, owners, modes, times, extended attributes but those of overlayfs. Sockets are
// left out; mounts are not crossed. Gives up with GANTRY_CANCELLED when `cancelled` says so.
Result<void> copy_tree(int from, int to, const std::function<bool()>& cancelled);

}  // namespace gantry::storage
