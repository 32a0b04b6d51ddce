// Identifiers and names.
#pragma once
#include <string>
#include <string_view>

namespace gantry {

// 256 random bits from getrandom(2) as 64 lower-case hex digits: the id of every object.
std::string new_id();
// The first 12 digits, as lists show an id.
std::string_view short_id(std::string_view id);
// Docker's rule for names: [a-zA-Z0-9][a-zA-Z0-9_.-]*, 255 bytes at most (and never "." or "..").
bool valid_name(std::string_view name);
// 1 to 64 lower-case hex digits.
bool is_id_prefix(std::string_view text);

}  // namespace gantry
