// A driver's shared object in this process: loaded, and what it says of itself checked.
#pragma once
#include <gantry/abi/driver.h>

#include <memory>
#include <string>

#include "core/driver/verify.hpp"

namespace gantry::driver {

// Loaded for the process's life: a driver's threads and static objects may not survive being unmapped.
struct Library {
    VerifiedFile file;
    const gantry_driver_plugin* plugin = nullptr;
    std::string version;
    Json description;  // {"kind", "summary", "abilities", "options", "object_options"}
};

// Verifies `path`, loads it (RTLD_NOW | RTLD_LOCAL) and checks, in order: the entry function, its answer to our
// version, abi_major, the struct's size, the name, and the description. A file that is loaded already is not loaded
// again. Thread-safe. Each refusal names the file, what it has and what we need.
Result<std::shared_ptr<const Library>> load_library(const std::string& path);

}  // namespace gantry::driver
