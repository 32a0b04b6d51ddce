#include "core/build/mount_points.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/safe_path.hpp"
#include "core/base/text.hpp"

namespace gantry::build {
namespace {

bool same(const timespec& a, const timespec& b) { return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec; }

}  // namespace

// False where a link stands there that leads nowhere: the runtime follows it when it mounts.
Result<bool> MountPoints::make_one(int root, const std::string& directory, const std::string& name, bool is_directory) {
    GANTRY_TRY(UniqueFd parent, open_in_root(root, directory.empty() ? "/" : directory, O_RDONLY | O_DIRECTORY));
    struct stat before {
    }, after{}, info{};
    if (::fstat(parent.get(), &before) != 0) return fail_errno("stat \"/" + directory + "\"");
    if (is_directory) {
        if (::mkdirat(parent.get(), name.c_str(), 0755) != 0) {
            if (errno == EEXIST) return false;
            return fail_errno("make mount point \"/" + directory + "/" + name + "\"");
        }
    } else {
        UniqueFd file(::openat(parent.get(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644));
        if (!file) {
            if (errno == EEXIST) return false;
            return fail_errno("make mount point \"/" + directory + "/" + name + "\"");
        }
    }
    if (::fstatat(parent.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0 || ::fstat(parent.get(), &after) != 0)
        return fail_errno("stat mount point \"/" + directory + "/" + name + "\"");
    made_.push_back({directory, name, is_directory, info.st_ino, before.st_mtim, after.st_mtim});
    return true;
}

Result<void> MountPoints::make(int root, const std::vector<Place>& places) {
    for (const Place& place : places) {
        const std::string clean = clean_relative(place.path);
        std::string at;
        const auto parts = split(clean, '/');
        for (std::size_t i = 0; i < parts.size() && !clean.empty(); ++i) {
            const std::string next = at.empty() ? std::string(parts[i]) : at + "/" + std::string(parts[i]);
            auto there = open_in_root(root, next, O_PATH);
            if (!there) {
                if (there.error().code != Code::not_found) break;  // the mount itself will say what is wrong
                GANTRY_TRY(bool made,
                           make_one(root, at, std::string(parts[i]), place.directory || i + 1 < parts.size()));
                if (!made) break;
            }
            at = next;
        }
    }
    return {};
}

void MountPoints::remove(int root) {
    for (auto made = made_.rbegin(); made != made_.rend(); ++made) {
        auto parent = open_in_root(root, made->directory.empty() ? "/" : made->directory, O_RDONLY | O_DIRECTORY);
        struct stat info {
        }, directory{};
        if (!parent || ::fstat(parent->get(), &directory) != 0) continue;
        if (::fstatat(parent->get(), made->name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
        if (info.st_ino != made->inode) continue;
        // A directory that is not empty stays: the kernel sees to that.
        if (made->is_directory ? !S_ISDIR(info.st_mode) : !S_ISREG(info.st_mode) || info.st_size != 0) continue;
        if (::unlinkat(parent->get(), made->name.c_str(), made->is_directory ? AT_REMOVEDIR : 0) != 0) continue;
        // A directory that nobody else has changed looks as it did.
        if (same(directory.st_mtim, made->after)) {
            const timespec times[2] = {{0, UTIME_OMIT}, made->before};
            (void)::futimens(parent->get(), times);
        }
    }
    made_.clear();
}

}  // namespace gantry::build
