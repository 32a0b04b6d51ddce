// A build's results into a cache elsewhere.
#pragma once
#include <string>
#include <vector>

#include "core/build/cache_import.hpp"
#include "core/build/layers.hpp"

namespace gantry::build {

// Writes the records and their layers, of which the target gets only what it has not. A layer that is only in an imported cache
// is taken from there as it is. `results` of which no layer was named are not there; twice is once. `progress`: of each layer that
// is sent.
Result<void> export_cache(image::ImageStore& images, CacheImport* imported, const std::vector<CachedResult>& results,
                          CacheTarget& target, const OnProgress& progress, const Cancel& cancel);

}  // namespace gantry::build
