// Base64 (RFC 4648), for the header that carries a registry's credentials and for the file that keeps them.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace gantry::cli {

enum class Base64 { standard = 1, url };  // "+/" or "-_"
// With padding, as Docker writes both.
std::string to_base64(std::string_view bytes, Base64 alphabet = Base64::standard);
// nullopt: not base64. Padding may be missing.
std::optional<std::string> from_base64(std::string_view text, Base64 alphabet = Base64::standard);

}  // namespace gantry::cli
