// Names as a build's steps put them together and show them.
#pragma once
#include <string>
#include <string_view>

namespace gantry::build {

// "a" and "b": "a/b"; either may be empty.
inline std::string below(const std::string& directory, std::string_view name) {
    if (name.empty()) return directory;
    return directory.empty() ? std::string(name) : directory + "/" + std::string(name);
}

// An address for messages: without a user's name and password, 300 characters at most.
std::string shown_url(const std::string& url);

// Directories within one another that a step goes into.
inline constexpr int deepest_directory = 1024;

}  // namespace gantry::build
