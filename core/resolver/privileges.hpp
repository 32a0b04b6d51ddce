// The resolver reads what containers send, so it keeps only what it needs.
#pragma once
#include <gantry/result.hpp>

namespace gantry::resolver {

// Every capability but that to listen below port 1024 is given up, for good.
Result<void> drop_privileges();

}  // namespace gantry::resolver
