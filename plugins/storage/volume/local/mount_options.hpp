// The options type, device and o of a local volume, as Docker's local driver has them, taken apart and checked.
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <gantry/json.hpp>
#include <gantry/result.hpp>

namespace gantry::local_volume {

enum class Source { directory, tmpfs, bind };

struct MountOptions {
    Source source = Source::directory;
    std::string device;                                         // bind: an absolute path
    bool recursive = false;                                     // bind: rbind
    std::uint64_t attributes = 0;                               // MOUNT_ATTR_*
    std::vector<std::pair<std::string, std::string>> settings;  // tmpfs: one fsconfig key each
};

// No options: a directory of the driver's own. GANTRY_UNSUPPORTED for other types and flags, naming what is allowed.
Result<MountOptions> parse_mount_options(const Json& options);

}  // namespace gantry::local_volume
