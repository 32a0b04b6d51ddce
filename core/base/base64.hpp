// Base64 (RFC 4648) with padding.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace gantry {

enum class Base64 { standard = 1, url };
std::string to_base64(std::string_view bytes, Base64 alphabet = Base64::standard);
// Either alphabet, padded or not; nullopt for anything else.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace gantry
