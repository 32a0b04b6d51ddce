// This machine's own addresses, as the network below an overlay has them.
#pragma once
#include <string>

#include <gantry/result.hpp>

namespace gantry::overlay {

// An interface of the calling thread's namespace has it.
bool has_address(const std::string& address);
// The address from which this machine sends to another.
Result<std::string> address_towards(const std::string& other);
// The largest packet of the interface that has the address.
Result<int> mtu_of_address(const std::string& address);

}  // namespace gantry::overlay
