// What comes out of a build whose steps are done: images, archives, files.
#pragma once
#include <vector>

#include "core/build/service.hpp"
#include "core/build/worker.hpp"

namespace gantry::build {

// Where an image's configuration tells of the steps that made its layers (BuildRequest::inline_cache).
inline constexpr const char* inline_cache_key = "gantry.cache.v1";

// A target and what its steps came to.
struct Finished {
    const Target& target;
    Value result;
};

// Whether the outputs that are wanted can hold what the graph is for, before a step is done. GANTRY_UNSUPPORTED names the one that
// cannot.
Result<void> check_outputs(const Graph& graph, const BuildRequest& request);

// Of one target an image, of several an index of theirs, which is told of as a step; files of several go into a directory for each.
Result<Built> write_outputs(image::ImageStore& images, const std::vector<Finished>& finished,
                            const BuildRequest& request, BuildWorker& worker, Client& client, Listener& listener,
                            Cancel& cancel);

}  // namespace gantry::build
