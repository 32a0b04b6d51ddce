// Long answers as files.
#pragma once
#include <string>

#include <gantry/result.hpp>

#include "core/cli/client.hpp"

namespace gantry::cli {

// The rest of the body to a descriptor. GANTRY_CORRUPT: the daemon broke off before its end.
Result<void> copy_body(Connection& answer, int to);
// The same into the file `path`, which is there whole or not at all; "" : standard output, which must not be a terminal.
Result<void> save_body(Client& client, const std::string& target, const std::string& path);

}  // namespace gantry::cli
