// Networks whose packets go from host to host through WireGuard.
#pragma once
#include <string>

#include <gantry/result.hpp>

namespace gantry::overlay {

// GANTRY_UNSUPPORTED: an encrypted network cannot be had here, and why. It is never made without encryption instead.
Result<void> require_encryption(const std::string& network);

}  // namespace gantry::overlay
