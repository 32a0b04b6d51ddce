// Paths inside a tree whose owner is hostile (a root file system, a volume, an archive's target): resolved by the
// kernel against a directory descriptor, never as a string, so that no link inside leads outside.
// Source: openat2(2), Linux 5.6.
#pragma once
#include <sys/types.h>

#include <string>
#include <string_view>

#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

namespace gantry {

// Opens `path` as a process whose root is `root` would (RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS). `flags` as in
// open(2), O_CLOEXEC added. Errors name the path.
Result<UniqueFd> open_in_root(int root, std::string_view path, int flags, mode_t mode = 0);
// Makes directory `path` and its parents inside `root` and opens it (O_PATH | O_DIRECTORY). Links on the way are
// followed inside the root.
Result<UniqueFd> make_directories_in_root(int root, std::string_view path, mode_t mode = 0755);
// "/a/../b//c/." -> "b/c": lexically clean and relative; ".." never climbs above the start. "" for the root itself.
std::string clean_relative(std::string_view path);

}  // namespace gantry
