// Images that come as a stream, and answers that tell of progress.
#pragma once
#include "core/daemon/api/answer.hpp"
#include "core/daemon/deps.hpp"

namespace gantry::daemon {

// POST /images/load
void load_images(Deps& deps, http::Request request, const Reply& reply);
// POST /images/create: import where fromSrc is "-".
void create_image(Deps& deps, http::Request request, const Reply& reply);
// POST /gantry/images/bootstrap {"reference", "suite", "include": [], "mirror", "variant"}
void bootstrap_image(Deps& deps, const http::Request& request, const Reply& reply);

}  // namespace gantry::daemon
