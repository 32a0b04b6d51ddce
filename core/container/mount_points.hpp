// Empty files and directories that are in a container's layer only because the engine mounts its own things over them.
// Nobody in the container can reach or change them, so nothing that is shown or kept of the layer has them.
#pragma once
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/image/byte_source.hpp"

namespace gantry::container {

// A changed path and Docker's number for how: 0 modified, 1 added, 2 deleted.
using Change = std::pair<std::string, int>;

// Takes the engine's mount points out, and directories that are listed for nothing but them. Gives the paths taken out
// that were added.
std::set<std::string> hide_mount_points(std::vector<Change>& changes);

// The tar stream `from` (as a layer driver's diff writes it) without the members of these paths ("/dev/pts"), byte for
// byte otherwise. GANTRY_CORRUPT: not such a stream.
std::unique_ptr<image::ByteSource> without_members(std::unique_ptr<image::ByteSource> from,
                                                   std::set<std::string> paths);

}  // namespace gantry::container
