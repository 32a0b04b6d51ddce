// Sysctls of a container's own namespaces.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include <gantry/result.hpp>

#include "spec.hpp"

namespace gantry::native {

// Only settings of a namespace that is the container's own, with names and values that are nothing else than that.
Result<void> check_sysctls(const Spec& spec, bool own_network);
// Writes them through a proc file system that nothing in the container can reach. In the container's namespaces.
Result<void> write_sysctls(const std::vector<std::pair<std::string, std::string>>& sysctls);

}  // namespace gantry::native
