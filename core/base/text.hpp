// Small helpers for text. No domain words.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gantry {

// `text` as a JSON string with its quotes; invalid UTF-8 becomes U+FFFD, control characters \u00XX.
std::string quote_json(std::string_view text);
// Splits at every `separator`; "" gives {""}.
std::vector<std::string_view> split(std::string_view text, char separator);
std::string join(std::span<const std::string> parts, std::string_view separator);
std::string_view trim(std::string_view text);
std::string to_lower(std::string_view text);
// The whole text as a decimal number of type int64; nullopt for anything else (sign allowed, no blanks).
std::optional<std::int64_t> parse_int(std::string_view text);
// "64m", "1.5G", "1024", "2kb": bytes with Docker's binary suffixes b, k, m, g, t, p (optionally followed by b or ib).
std::optional<std::int64_t> parse_size(std::string_view text);
// Go's duration: "1h2m3.5s", "300ms"; nanoseconds. nullopt for anything else.
std::optional<std::int64_t> parse_duration(std::string_view text);
// The nearest of `known` by edit distance, "" where none is near: for "did you mean".
std::string nearest(std::string_view word, std::span<const std::string> known);
// Lower-case hex of bytes, and back (nullopt: odd length or other characters).
std::string to_hex(std::string_view bytes);
std::optional<std::string> from_hex(std::string_view hex);

}  // namespace gantry
