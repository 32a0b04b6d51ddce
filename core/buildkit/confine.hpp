// gantry-buildkit reads what clients send, and needs nothing of the host but the descriptors that it is given.
#pragma once
#include <gantry/result.hpp>

namespace gantry::buildkit {

// No privileges, no user of the host's, no network; for good. Before any thread starts.
Result<void> confine();

}  // namespace gantry::buildkit
