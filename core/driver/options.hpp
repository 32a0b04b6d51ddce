// The option schemas of drivers' descriptions (abi/driver.h, gantry_driver_plugin.describe).
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "core/driver/driver.hpp"

namespace gantry::driver {

// Checks a schema itself: every option an object with a known type, bounds and default that fit it. `where` starts the
// message.
Result<void> check_schema(const Json& schema, std::string_view where);

struct OptionProblem {
    std::string option, text;
};
// Every problem of `given` (an object) against the schema; validate_options (driver.hpp) gives the first.
std::vector<OptionProblem> option_problems(const Json& schema, const Json& given);

}  // namespace gantry::driver
