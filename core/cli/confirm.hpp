// Questions to the user.
#pragma once
#include <string_view>

namespace gantry::cli {

// Asks on the terminal; anything but y is no.
bool confirmed(std::string_view warning);

}  // namespace gantry::cli
