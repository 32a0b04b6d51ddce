// One member of a tar stream.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <ctime>
#include <map>
#include <string>

namespace gantry::archive {

struct Member {
    std::string name;   // directories end with "/" when written
    mode_t mode = 0;    // with the type: S_IFREG, S_IFDIR, S_IFLNK, S_IFIFO, S_IFCHR, S_IFBLK
    std::int64_t uid = 0, gid = 0;
    std::int64_t size = 0;  // of a regular file's content
    timespec mtime{};
    std::string link;       // target of a symbolic link
    std::string hard_link;  // another member's name: this one is that file
    dev_t device = 0;
    std::map<std::string, std::string> xattrs;
};

}  // namespace gantry::archive
