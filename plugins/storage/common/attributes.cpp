#include "plugins/storage/common/attributes.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "plugins/storage/common/tar_name.hpp"

namespace gantry::storage {
namespace {

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

}  // namespace

Result<void> set_attributes(int fd, const Attributes& attributes) {
    // A look is cheaper than a change, which the file system writes to its journal.
    struct stat info {};
    if (::fstat(fd, &info) != 0) return fail_errno("look up what was made");
    // This order: chown clears set-id bits and capabilities.
    bool owner_changed = false;
    if (info.st_uid != attributes.uid || info.st_gid != attributes.gid) {
        if (::fchown(fd, attributes.uid, attributes.gid) != 0) return fail_errno("set the owner");
        owner_changed = true;
    }
    for (const auto& [name, value] : attributes.xattrs)
        if (::fsetxattr(fd, name.c_str(), value.data(), value.size(), 0) != 0 && errno != EOPNOTSUPP)
            return fail_errno("set the attribute \"" + shown(name) + "\"");
    if (owner_changed || (info.st_mode & 07777u) != attributes.mode)
        if (::fchmod(fd, attributes.mode) != 0) return fail_errno("set the mode");
    return {};
}

Result<void> set_attributes_at(int directory, const std::string& name, const Attributes& attributes, Entry entry) {
    struct stat info {};
    if (::fstatat(directory, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) return fail_errno("look up what was made");
    if ((info.st_uid != attributes.uid || info.st_gid != attributes.gid) &&
        ::fchownat(directory, name.c_str(), attributes.uid, attributes.gid, AT_SYMLINK_NOFOLLOW) != 0)
        return fail_errno("set the owner");
    if (entry != Entry::link) {
        long done = ::syscall(SYS_fchmodat2, directory, name.c_str(), attributes.mode, AT_SYMLINK_NOFOLLOW);
        // Kernels before 6.6. The name is the node just made, in a tree that is ours alone.
        if (done != 0 && errno == ENOSYS) done = ::fchmodat(directory, name.c_str(), attributes.mode, 0);
        if (done != 0) return fail_errno("set the mode");
    }
    const timespec times[2] = {attributes.mtime, attributes.mtime};
    if (::utimensat(directory, name.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0) return fail_errno("set the time");
    return {};
}

}  // namespace gantry::storage
