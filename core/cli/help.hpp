// The help texts, laid out as Docker's.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "core/cli/command.hpp"

namespace gantry::cli {

std::string main_help();
std::string group_help(std::string_view group);
std::string command_help(const Command& command, const std::string& path, const Flags& flags);
// Works and is not shown: what shells call.
bool is_hidden(const Command& command);
bool is_group(std::string_view word);
std::vector<std::string> group_names();
// "Manage images".
std::string group_summary(std::string_view group);

}  // namespace gantry::cli
