// One engine a data root: the lock that says so.
#pragma once
#include <string>

#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

namespace gantry::daemon {

// Takes the exclusive lock of `root` (flock(2) on root/lock) for as long as the descriptor lives. Another engine has it:
// GANTRY_CONFLICT, with its process id.
Result<UniqueFd> lock_root(const std::string& root);

}  // namespace gantry::daemon
