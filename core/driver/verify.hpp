// What is checked of a driver's file before any of its code can run.
#pragma once
#include <sys/types.h>

#include <string>

#include "core/driver/driver.hpp"

namespace gantry::driver {

struct VerifiedFile {
    std::string path;  // absolute, its directory free of links
    Kind kind = Kind::network;
    std::string name;  // of KIND-NAME.so
    dev_t device = 0;
    ino_t inode = 0;
};

// Checks that `path` is absolute, named KIND-NAME.so, a regular file (no link), owned by root and writable by root
// alone, in directories that only root can change, and an ELF shared object for this machine. Each refusal names
// the file, what was found and what is needed. Nothing of the file is executed.
Result<VerifiedFile> verify_file(const std::string& path);

}  // namespace gantry::driver
