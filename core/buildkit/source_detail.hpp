// Where in a Dockerfile an error is, as clients show it.
#pragma once
#include <string>

namespace gantry::buildkit {

// The type of what follows, as errors name what comes with them.
inline constexpr const char* source_detail_type = "github.com/moby/buildkit/errdefs.Source+json";
// Lines from 1.
std::string source_detail(const std::string& file_name, const std::string& text, int first, int last);

}  // namespace gantry::buildkit
