// Paths of /proc and /sys that a container may not read, or not write.
#pragma once
#include <string>
#include <vector>

#include <gantry/result.hpp>

namespace gantry::native {

// Covers each path: files by `null` (the host's /dev/null, verified, of this mount namespace), directories by one
// shared read-only tmpfs. Not there: passed over.
Result<void> mask_paths(int root, const std::vector<std::string>& paths, int null);
// Makes each path read-only with all below it. Not there: passed over.
Result<void> make_paths_read_only(int root, const std::vector<std::string>& paths);

}  // namespace gantry::native
