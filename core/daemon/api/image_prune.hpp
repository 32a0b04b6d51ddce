// Removal of images that nobody uses, for prune and for the policy of the configuration.
#pragma once
#include <string>
#include <vector>

#include "core/daemon/deps.hpp"

namespace gantry::daemon {

// Removes these images with all their names, unless a container has come to use them meanwhile, and their files. Gives
// ImagePruneResponse of the API; tells of each, and of the whole as "prune". `reason` goes with that event.
Json remove_unused_images(Deps& deps, const std::vector<std::string>& ids, const std::string& reason);

}  // namespace gantry::daemon
