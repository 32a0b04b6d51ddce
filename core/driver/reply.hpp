// From what a driver answered to what the engine's callers get.
#pragma once
#include <string>
#include <vector>

#include "core/driver/call_state.hpp"
#include "core/driver/driver.hpp"

namespace gantry::driver {

// Checks a reply against the rules of the border. A failure carries the driver's own message; a broken rule is
// GANTRY_INTERNAL and names the driver. `defect`: what was wrong with the reply already, or "".
Result<Reply> finish_reply(const std::string& driver, std::string_view operation, gantry_status status,
                           const std::string& json, std::vector<UniqueFd> fds, const std::string& defect);
// The same for a reply that is parsed already.
Result<Reply> finish_reply(const std::string& driver, std::string_view operation, gantry_status status, Json body,
                           std::vector<UniqueFd> fds, const std::string& defect);
// The text of a reply as JSON; a text that is not JSON is a defect.
Json parse_reply(const std::string& json, std::string& defect);

}  // namespace gantry::driver
