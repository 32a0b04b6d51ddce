// A build that comes over a session: the first frame read and checked, the build done, its end told.
#pragma once
#include "core/build/dockerfile_build.hpp"

namespace gantry::build {

struct SessionEngine {
    BuildService& service;
    image::ImageStore& images;
    PullImage pull;  // may be empty
    // Told of an image that was made.
    std::function<void(const Built&)> made;
};

// Speaks PROTOCOL.md over the socket until the build has ended. Blocks.
void serve_session(UniqueFd socket, std::string early, const SessionEngine& engine);

}  // namespace gantry::build
