// The target of a request line: version prefix, path and query, each decoded once.
#pragma once
#include <map>
#include <string>
#include <string_view>

#include <gantry/result.hpp>

namespace gantry::http {

inline constexpr std::string_view newest_version = "1.56";
inline constexpr std::string_view oldest_version = "1.24";

// Stands in Target::path for a slash that came as %2F: a name may have one, the path's structure may not.
inline constexpr char encoded_slash = '\x1f';

struct Target {
    std::string path;     // "/containers/json", version prefix taken off
    std::string version;  // "1.47"; the newest where none was named
    std::multimap<std::string, std::string> query;
};

// Errors are GANTRY_INVALID: no origin form, bad percent encoding, control characters, "." and ".." segments, a
// version outside of what the engine speaks (in Docker's words).
Result<Target> parse_target(std::string_view target);

}  // namespace gantry::http
