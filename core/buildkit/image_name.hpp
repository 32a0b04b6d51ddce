// Names of images and registries as clients of BuildKit have them.
#pragma once
#include <string>

namespace gantry::buildkit {

// With its registry and its tag.
std::string full_name(const std::string& name);
// By what a client is asked for its credentials: those of the default registry are kept under the name of its server.
std::string login_host(const std::string& registry);

}  // namespace gantry::buildkit
