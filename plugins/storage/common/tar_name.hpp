// Names of tar entries, which are hostile text, taken apart.
#pragma once
#include <string>
#include <string_view>

#include <gantry/result.hpp>

namespace gantry::storage {

struct EntryName {
    std::string directory;  // relative, "" for the root
    std::string base;       // one component; "" when the entry is the root itself
};

inline constexpr std::size_t max_entry_name = 4095;  // PATH_MAX of Linux without its NUL
inline constexpr std::size_t max_entry_depth = 512;

// "/a//b/./c/" -> {"a/b", "c"}. GANTRY_INVALID: empty, a component "..", longer or deeper than the limits, or a
// component longer than 255 bytes.
Result<EntryName> parse_entry_name(std::string_view name);

enum class Marker { none, whiteout, opaque, ignored };
struct ParsedMarker {
    Marker kind = Marker::none;
    std::string target;  // what a whiteout deletes
};
// What `base` says as an OCI marker. GANTRY_INVALID for one whose target is not a plain name (".wh.", ".wh...").
Result<ParsedMarker> parse_marker(std::string_view base);

// The name for messages: shortened, control characters as '?'.
std::string shown(std::string_view name);

}  // namespace gantry::storage
