// A path in a container, as `cp` asks for it: what it is, and what its archive calls it.
#pragma once
#include <sys/stat.h>

#include <string>
#include <string_view>

#include <gantry/json.hpp>
#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

#include "core/container/container_root.hpp"

namespace gantry::container {

struct PathInRoot {
    UniqueFd node;       // O_PATH; a link itself, unless the path ends with "/" or "/."
    std::string name;    // last component, "." for ".../.", "/" for the root: how an archive of it begins
    Json stat;           // ContainerPathStat of the API
};

// GANTRY_NOT_FOUND in Docker's words; `container` is the name for them.
Result<PathInRoot> find_path(const ContainerRoot& root, const std::string& path, const std::string& container);

// Go's os.FileMode for a mode: what the API tells.
std::uint32_t go_file_mode(mode_t mode);

}  // namespace gantry::container
