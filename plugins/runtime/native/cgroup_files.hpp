// Reading and removing trees of control groups.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <gantry/result.hpp>

namespace gantry::native {

// Every process in the group and those below it. Gone is success.
Result<void> collect_pids(const std::string& directory, std::vector<int>& out);
// Removes the group and those below it, deepest first. false: something is still in it.
Result<bool> remove_groups(const std::string& directory);
// A file with one number; "max" is nullopt, as is a file that is not there.
std::optional<std::uint64_t> read_number(const std::string& file);
// "name value" lines.
std::vector<std::pair<std::string, std::uint64_t>> read_table(const std::string& file);

}  // namespace gantry::native
