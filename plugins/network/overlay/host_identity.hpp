// What a host is called among the hosts of its networks.
#pragma once
#include <string>

#include <gantry/result.hpp>

namespace gantry::overlay {

// The host's name and random digits, made once and kept in the directory.
Result<std::string> host_identity(const std::string& directory);
// Another after every start of the machine.
Result<std::string> boot_identity();
// The whole file; GANTRY_NOT_FOUND where there is none.
Result<std::string> read_small_file(const std::string& path);
// Replaces the file in one step.
Result<void> replace_file(const std::string& path, const std::string& text);

}  // namespace gantry::overlay
