#include "plugins/storage/volume/local/mounts.hpp"

#include <fcntl.h>
#include <linux/stat.h>
#include <sys/mount.h>
#include <sys/stat.h>

namespace gantry::local_volume {
namespace {

// What the kernel says of a context that failed, or "".
std::string reason(int context) {
    char text[512];
    ssize_t n = ::read(context, text, sizeof text);
    if (n <= 2) return "";
    std::string line(text + 2, static_cast<std::size_t>(n - 2));
    while (!line.empty() && line.back() == '\n') line.pop_back();
    return ": " + line;
}

}  // namespace

Result<UniqueFd> make_tmpfs(const MountOptions& options) {
    UniqueFd context(::fsopen("tmpfs", FSOPEN_CLOEXEC));
    if (!context) return fail_errno("open a tmpfs");
    if (::fsconfig(context.get(), FSCONFIG_SET_STRING, "source", options.device.c_str(), 0) != 0)
        return fail_errno("name a tmpfs");
    for (const auto& [key, value] : options.settings)
        if (::fsconfig(context.get(), FSCONFIG_SET_STRING, key.c_str(), value.c_str(), 0) != 0) {
            Error error = fail_errno("option \"o\": \"" + key + "=" + value + "\"");
            error.text += reason(context.get());
            return error;
        }
    if (::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) {
        Error error = fail_errno("make a tmpfs");
        error.text += reason(context.get());
        return error;
    }
    UniqueFd mount(::fsmount(context.get(), FSMOUNT_CLOEXEC, static_cast<unsigned>(options.attributes)));
    if (!mount) return fail_errno("mount a tmpfs");
    return mount;
}

Result<UniqueFd> clone_mount(int fd, bool recursive, std::uint64_t attributes) {
    const unsigned deep = recursive ? static_cast<unsigned>(AT_RECURSIVE) : 0u;
    UniqueFd mount(::open_tree(fd, "",
                               static_cast<unsigned>(OPEN_TREE_CLONE) | static_cast<unsigned>(OPEN_TREE_CLOEXEC) |
                                   static_cast<unsigned>(AT_EMPTY_PATH) | deep));
    if (!mount) return fail_errno("copy a mount");
    mount_attr change{};
    change.attr_set = attributes;
    if ((attributes & MOUNT_ATTR_NOATIME) != 0) change.attr_clr = MOUNT_ATTR__ATIME;
    if (attributes != 0 &&
        ::mount_setattr(mount.get(), "", static_cast<unsigned>(AT_EMPTY_PATH) | deep, &change, sizeof change) != 0)
        return fail_errno("set the attributes of a mount");
    return mount;
}

Result<void> attach(int mount, int directory) {
    if (::move_mount(mount, "", directory, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) != 0)
        return fail_errno("attach a mount");
    return {};
}

Result<bool> is_mount_point(int parent, const char* name) {
    struct statx info {};
    if (::statx(parent, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, 0, &info) != 0) {
        if (errno == ENOENT) return false;
        return fail_errno(std::string("look up \"") + name + "\"");
    }
    return (info.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

}  // namespace gantry::local_volume
