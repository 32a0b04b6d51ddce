// A directory of the test's own, gone at its end.
#pragma once
#include <cstdlib>
#include <filesystem>
#include <string>

namespace gantry::test {

struct Scratch {
    std::string path;
    Scratch() {
        std::string pattern = (std::filesystem::temp_directory_path() / "gantry-unit-XXXXXX").string();
        path = ::mkdtemp(pattern.data());
    }
    ~Scratch() {
        std::error_code ignored;
        std::filesystem::remove_all(path, ignored);
    }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
    std::string operator/(const char* name) const { return path + "/" + name; }
};

}  // namespace gantry::test
