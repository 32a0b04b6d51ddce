// What `images --tree` shows.
#pragma once
#include <string>

#include "core/cli/client.hpp"

namespace gantry::cli {

// Each image of `list` (the answer of GET /images/json?manifests=1) with its names, and below it the platforms that it is for. Asks the
// daemon for these, and for the containers that use one.
Result<std::string> image_tree(Client& client, const Json& list, bool shortened);

}  // namespace gantry::cli
