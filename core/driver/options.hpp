// The option schemas of drivers' descriptions (abi/driver.h, gantry_driver_plugin.describe).
#pragma once
#include <string_view>

#include "core/driver/driver.hpp"

namespace gantry::driver {

// Checks a schema itself: every option an object with a known type, bounds and default that fit it. `where` starts the
// message.
Result<void> check_schema(const Json& schema, std::string_view where);

}  // namespace gantry::driver
