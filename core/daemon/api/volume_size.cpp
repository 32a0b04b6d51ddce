#include "core/daemon/api/volume_size.hpp"

#include <fcntl.h>

#include "core/archive/node.hpp"
#include "core/base/files.hpp"

namespace gantry::daemon {

std::int64_t volume_size(const volume::Volume& volume) {
    if (volume.path.empty()) return -1;
    auto directory = open_file(volume.path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!directory) return -1;
    auto size = archive::tree_size(directory->get());
    return size ? *size : -1;
}

}  // namespace gantry::daemon
