// Paths below a directory of the user's, resolved by the kernel so that nothing leads out of it (openat2(2), Linux 5.6).
#pragma once
#include <sys/types.h>

#include <string>

#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

namespace gantry::cli {

// inside: symbolic links are followed as long as they stay below; none: a link anywhere on the way is GANTRY_INVALID (ELOOP).
enum class Links { none = 1, inside };
// Opens relative `path` below `directory`; flags as in open(2), O_CLOEXEC and O_NONBLOCK (which no regular file heeds, and a
// FIFO must not hang in) added. GANTRY_DENIED: it leads out. Errors name the path.
Result<UniqueFd> open_beneath(int directory, const std::string& path, int flags, Links links, mode_t mode = 0);

}  // namespace gantry::cli
