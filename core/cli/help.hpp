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
bool is_group(std::string_view word);
std::vector<std::string> group_names();

}  // namespace gantry::cli
