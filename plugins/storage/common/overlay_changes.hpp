// What the upper directory of an overlay changes against the directories below it.
#pragma once
#include <vector>

#include <gantry/layer.hpp>

namespace gantry::storage {

// `upper` and `lowers` (topmost first) are borrowed directory descriptors. Sorted by path, which begins with "/".
Result<std::vector<Change>> overlay_changes(int upper, const std::vector<int>& lowers);

}  // namespace gantry::storage
