// What both directions of `cp` share.
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <gantry/result.hpp>

#include "core/cli/client.hpp"

namespace gantry::cli {

struct CopyWish {
    bool owners = false, follow = false, quiet = false;
};

// What a path in a container is: Go's mode bits and where a link leads.
struct PathStat {
    std::int64_t mode = 0;
    std::string link;
    bool is_directory() const { return (mode & std::int64_t{1} << 31) != 0; }
    bool is_link() const { return (mode & 1 << 27) != 0; }
    bool is_device() const { return (mode & 1 << 26) != 0; }
};

// "/containers/ID/archive?path=..".
std::string archive_target(const std::string& container, const std::string& path,
                           std::vector<std::pair<std::string, std::string>> more = {});
// Of the answer's header. GANTRY_CORRUPT: it has none.
Result<PathStat> stat_of(const Connection& answer);
Result<PathStat> stat_path(Client& client, const std::string& container, const std::string& path);
// Where the link at `path` leads.
std::string link_path(const std::string& path, const std::string& target);
void say_copied(const CopyWish& wish, std::int64_t bytes, const std::string& to);

// The two directions; they give the exit code.
Result<int> copy_out(Client& client, const std::string& container, std::string path, const std::string& local,
                     const CopyWish& wish);
Result<int> copy_in(Client& client, const std::string& local, const std::string& container, const std::string& path,
                    const CopyWish& wish);

}  // namespace gantry::cli
