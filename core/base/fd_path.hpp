// The name under which the kernel shows a descriptor of the calling process: proc(5), /proc/pid/fd.
#pragma once
#include <string>

namespace gantry {

inline std::string fd_path(int fd) { return "/proc/self/fd/" + std::to_string(fd); }

}  // namespace gantry
