// The patterns of "${v#p}", "${v%p}" and "${v/p/r}": "*", "?" and "\x", over whole characters.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace gantry::build::dockerfile {

// In each, *steps is what the search may still cost; it is 0 where it did not suffice, and the result then means nothing.

// `value` without the shortest or longest beginning or end that `pattern` matches.
std::string strip_prefix(std::string_view value, std::string_view pattern, bool longest, std::size_t* steps);
std::string strip_suffix(std::string_view value, std::string_view pattern, bool longest, std::size_t* steps);
// The first or every longest match of `pattern` replaced.
std::string replace_matches(std::string_view value, std::string_view pattern, std::string_view replacement, bool all,
                            std::size_t* steps);

}  // namespace gantry::build::dockerfile
