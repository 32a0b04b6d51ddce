// Image references in Docker's grammar (distribution/reference). parse_reference is declared in image_store.hpp.
#pragma once
#include "core/image/image_store.hpp"

namespace gantry::image {

// The key tags are kept under: "name:tag".
std::string tag_key(const Reference& reference);
// The name with its registry, as other engines write it: "busybox" -> "docker.io/library/busybox".
std::string qualified_name(std::string_view name);

}  // namespace gantry::image
