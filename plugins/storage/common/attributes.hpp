// What an archive says of an entry besides its name, type and content.
#pragma once
#include <sys/types.h>
#include <time.h>

#include <string>
#include <utility>
#include <vector>

#include <gantry/result.hpp>

namespace gantry::storage {

struct Attributes {
    uid_t uid = 0;
    gid_t gid = 0;
    mode_t mode = 0;  // permissions with set-id and sticky bits
    timespec mtime{};
    std::vector<std::pair<std::string, std::string>> xattrs;  // portable ones only
};

// Gives the file or directory behind `fd` all of them but the time.
Result<void> set_attributes(int fd, const Attributes& attributes);

// The same for an entry that cannot be opened, a link or node, which cannot have user.* attributes either; and the time.
enum class Entry { link = 1, node };
Result<void> set_attributes_at(int directory, const std::string& name, const Attributes& attributes, Entry entry);

}  // namespace gantry::storage
