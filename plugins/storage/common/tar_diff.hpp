// Writes the upper directory of an overlay as an OCI layer (tar; whiteouts become .wh. files).
#pragma once
#include <functional>
#include <vector>

#include <gantry/layer.hpp>

namespace gantry::storage {

// `upper`: the directory, borrowed; entries come sorted by name, so that the same tree gives the same stream. Times
// are whole seconds, as Docker writes them; sockets are left out. GANTRY_UNSUPPORTED where overlayfs has stored
// something only it understands (a redirect, a metadata-only copy).
Result<void> diff_tar(int upper, int tar, const std::function<bool()>& cancelled);

// The same of a tree that is whole and no upper directory: the entries that `changes` (sorted by path) names.
Result<void> changes_tar(int tree, const std::vector<Change>& changes, int tar, const std::function<bool()>& cancelled);

}  // namespace gantry::storage
