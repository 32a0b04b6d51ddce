// Directory trees by descriptor: nothing here follows a link that leads out of the tree it was given.
#pragma once
#include <sys/stat.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

namespace gantry::storage {

// How links inside the tree are treated while a path is resolved.
enum class Links { inside, refuse };

// openat2(2) below `root`, O_CLOEXEC added. Links::inside: as a process whose root is `root` would see the path;
// Links::refuse: a link anywhere on the way is ELOOP. Crosses no mount. Errors name the path.
Result<UniqueFd> open_below(int root, std::string_view path, int flags, Links links);

// openat(2) with O_CLOEXEC | O_NOFOLLOW of one name within `directory`.
Result<UniqueFd> open_at(int directory, const std::string& name, int flags, mode_t mode = 0600);

// Names in the directory behind `fd` (O_RDONLY), without "." and "..", sorted bytewise.
Result<std::vector<std::string>> names_in(int fd);

// The whole small file `name` within `directory`, 64 KiB at most.
Result<std::string> read_small(int directory, const std::string& name);
enum class Durable { no, yes };
// A new file with this content; Durable::yes: on disk when it returns (the directory is the caller's to sync).
Result<void> write_small(int directory, const std::string& name, std::string_view content, Durable durable);

struct Removed {
    std::int64_t bytes = 0;  // blocks given back
    bool complete = true;    // false: `budget` ran out first
};
// Deletes `name` within `directory` with all below it, at most `budget` entries, never crossing a mount. Gone is
// success. GANTRY_CONFLICT: another directory took its place meanwhile, which is left alone. Deep trees need no stack.
Result<Removed> remove_entry(int directory, const std::string& name, std::int64_t budget = INT64_MAX);

struct TreeUsage {
    std::int64_t bytes = 0, inodes = 0;
};
// Sizes of regular files and links below `root` (a file with several names counts once), and the number of inodes.
Result<TreeUsage> tree_usage(int root);

}  // namespace gantry::storage
