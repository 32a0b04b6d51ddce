// Our own programs beside the client.
#pragma once
#include <string>

namespace gantry::cli {

// Where `name` lies: beside our own program, in /usr/lib/gantry or /usr/bin; "" where it is in none of them. Fixed places only:
// what PATH names is not started as root.
std::string find_program(const std::string& name);

}  // namespace gantry::cli
