// A file system in memory that only this process sees and that ends with it, on /mnt.
#pragma once
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

namespace gantry::fuzz {

inline constexpr const char* scratch = "/mnt";

// Once, before anything else. Where it may not be made, the target is skipped: code 77.
inline void make_scratch() {
    if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("none", scratch, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=256m,nr_inodes=100k") != 0) {
        std::fprintf(stderr, "needs root: a file system in memory is mounted\n");
        std::_Exit(77);
    }
    ::umask(0);
}

inline std::string in_scratch(const std::string& name) { return std::string(scratch) + "/" + name; }

}  // namespace gantry::fuzz
