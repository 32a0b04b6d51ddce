// Removes unused images by the policy of the configuration, now and then.
#pragma once
#include "core/daemon/deps.hpp"

namespace gantry::daemon {

// One round, by the configuration in force; nothing where it has no policy. Tells of what it did by events and log.
void collect_unused_images(Deps& deps);

}  // namespace gantry::daemon
