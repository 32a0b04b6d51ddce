// Who a container's process is: "user[:group]" looked up in the container's own /etc/passwd and /etc/group, which are
// hostile: read as data, by descriptor, with limits.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <gantry/result.hpp>

namespace gantry::container {

struct User {
    std::uint32_t uid = 0, gid = 0;
    std::vector<std::uint32_t> groups;  // additional, with gid, sorted
    std::string home = "/";
};

// `root`: a directory descriptor of the root file system. `user`: "", "name", "uid", "name:group", "uid:gid".
// `more_groups`: --group-add, names or numbers. GANTRY_INVALID in Docker's words: "unable to find user X: no matching
// entries in passwd file".
Result<User> look_up_user(int root, std::string_view user, const std::vector<std::string>& more_groups);

}  // namespace gantry::container
