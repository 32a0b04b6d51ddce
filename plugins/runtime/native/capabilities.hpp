// Capabilities: names, what this machine can give, and how a process is left with exactly what was asked.
// Source: capabilities(7).
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include <gantry/result.hpp>

namespace gantry::native {

struct CapabilitySets;

// {"CAP_KILL"} -> 1 << 5. A name that is not known is an error.
Result<std::uint64_t> capability_mask(const std::vector<std::string>& names);
// "CAP_KILL, CAP_CHOWN" for a mask.
std::string capability_names(std::uint64_t mask);
// What this process itself may pass on: permitted and in its bounding set.
std::uint64_t available_capabilities();
// Takes away from `sets` what is not available; gives what was taken.
std::uint64_t limit_capabilities(CapabilitySets& sets, std::uint64_t available);

// Drops the bounding set to `sets`, and keeps capabilities across the change of user that follows.
Result<void> prepare_capabilities(const CapabilitySets& sets);
// After the change of user: everything but what is needed to install a filter and to end here; ambient set raised.
Result<void> hold_capabilities(const CapabilitySets& sets);
// The last step: exactly `sets`.
Result<void> apply_capabilities(const CapabilitySets& sets);

}  // namespace gantry::native
