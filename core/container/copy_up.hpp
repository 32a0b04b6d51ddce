// Filling a new volume with what the image has at the place where it is mounted.
#pragma once
#include <string>

#include <gantry/result.hpp>

namespace gantry::container {

// `root`: a directory descriptor of the image's root file system; `path`: the place inside it; `volume`: a descriptor of
// the volume's directory. Copies only into an empty volume, with owners, modes, times, extended attributes, links, hard
// links and device nodes; the volume's directory takes the owner and mode of the place. A place that does not exist or is
// no directory: nothing is done. Paths are resolved by descriptor only.
Result<void> copy_up(int root, const std::string& path, int volume);

}  // namespace gantry::container
