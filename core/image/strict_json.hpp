// JSON documents from archives and registries: hostile text that must have one meaning only.
#pragma once
#include <string_view>

#include <gantry/json.hpp>
#include <gantry/result.hpp>

namespace gantry::image {

inline constexpr std::size_t max_document_bytes = 4u << 20;

// The document as an object or array. GANTRY_INVALID, beginning with `what`: more than 4 MiB, deeper than 64 levels,
// not JSON, a byte order mark, trailing bytes, or two members of one object whose names are equal, or differ only in
// case where other readers would take them for the same field.
Result<Json> parse_document(std::string_view text, std::string_view what);

}  // namespace gantry::image
