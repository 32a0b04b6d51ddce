// Base64 as etcd's gateway writes bytes.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace gantry::overlay {

std::string to_base64(std::string_view bytes);
std::optional<std::string> from_base64(std::string_view text);

}  // namespace gantry::overlay
