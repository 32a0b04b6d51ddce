// "linux/arm64/v8" and its short forms.
#pragma once
#include <string_view>

#include <gantry/result.hpp>

#include "core/build/graph.hpp"

namespace gantry::build::dockerfile {

// "os/architecture[/variant]", "architecture" or "os"; what is left out is `standard`'s. Names as the OCI specification has them:
// "x86_64" is "amd64", "aarch64" and "arm64/v8" are "arm64". GANTRY_UNSUPPORTED: an os other than linux.
Result<Platform> parse_platform(std::string_view text, const Platform& standard);
bool same_platform(const Platform& a, const Platform& b);

}  // namespace gantry::build::dockerfile
