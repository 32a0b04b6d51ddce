// What a filter "label" means, wherever labels are.
#pragma once
#include <map>
#include <string>

#include <gantry/driver.hpp>

namespace gantry {

// `wanted`: "key", which must be there, or "key=value", which it must have. Labels that are no object have none.
bool has_label(const Json& labels, const std::string& wanted);
bool has_label(const std::map<std::string, std::string>& labels, const std::string& wanted);

}  // namespace gantry
