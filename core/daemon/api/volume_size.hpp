// How much a volume holds.
#pragma once
#include "core/volume/volume_service.hpp"

namespace gantry::daemon {

// Bytes of the files in it, each counted once; -1 where the volume has no directory on this host. May take long.
std::int64_t volume_size(const volume::Volume& volume);

}  // namespace gantry::daemon
