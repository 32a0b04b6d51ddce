// What a tree that began as a whole copy of another one changes against it.
#pragma once
#include <time.h>

#include <functional>
#include <vector>

#include <gantry/layer.hpp>

namespace gantry::storage {

// `tree` and `base` are borrowed directory descriptors; base -1: everything is added. `copied`: a time after the copy was
// complete and before anything was changed, by which files that look the same but were written since are told (their
// content is compared). Sorted by path, which begins with "/"; directories on the way to a change are "modified".
Result<std::vector<Change>> compare_trees(int tree, int base, const timespec& copied,
                                          const std::function<bool()>& cancelled);

}  // namespace gantry::storage
