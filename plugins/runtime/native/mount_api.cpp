#include "mount_api.hpp"

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>

namespace gantry::native {
namespace {

// What the kernel says in words about a file system it refuses, instead of a bare EINVAL.
std::string reason_in(int context) {
    char text[512];
    const ssize_t n = ::read(context, text, sizeof text);
    if (n <= 2) return {};
    std::string_view words(text, static_cast<std::size_t>(n));
    if (words[1] == ' ') words.remove_prefix(2);
    while (!words.empty() && words.back() == '\n') words.remove_suffix(1);
    return " (" + std::string(words) + ")";
}

}  // namespace

Result<UniqueFd> new_filesystem(const std::string& type, const std::string& source, const FsOptions& options,
                                std::uint64_t attributes) {
    UniqueFd context(::fsopen(type.c_str(), FSOPEN_CLOEXEC));
    if (!context) return fail_errno("use file system \"" + type + "\"");
    if (!source.empty()) (void)::fsconfig(context.get(), FSCONFIG_SET_STRING, "source", source.c_str(), 0);
    for (const std::string& option : options) {
        const auto equals = option.find('=');
        const std::string key = option.substr(0, equals);
        const int done =
            equals == std::string::npos
                ? ::fsconfig(context.get(), FSCONFIG_SET_FLAG, key.c_str(), nullptr, 0)
                : ::fsconfig(context.get(), FSCONFIG_SET_STRING, key.c_str(), option.c_str() + equals + 1, 0);
        if (done != 0) {
            const int error = errno;
            return fail_errno("option \"" + option + "\" of file system \"" + type + "\"" + reason_in(context.get()),
                              error);
        }
    }
    if (::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) {
        const int error = errno;
        return fail_errno("make file system \"" + type + "\"" + reason_in(context.get()), error);
    }
    UniqueFd tree(::fsmount(context.get(), FSMOUNT_CLOEXEC, static_cast<unsigned>(attributes)));
    if (!tree) return fail_errno("mount file system \"" + type + "\"");
    return tree;
}

Result<UniqueFd> copy_tree(int fd, Depth depth) {
    const unsigned recursive = depth == Depth::tree ? AT_RECURSIVE : 0u;
    UniqueFd tree(
        ::open_tree(fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | static_cast<unsigned>(AT_EMPTY_PATH) | recursive));
    if (!tree) return fail_errno("copy a mount");
    return tree;
}

Result<UniqueFd> copy_tree_at(const std::string& path, Depth depth) {
    const unsigned recursive = depth == Depth::tree ? AT_RECURSIVE : 0u;
    UniqueFd tree(::open_tree(AT_FDCWD, path.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | recursive));
    if (!tree) return fail_errno("copy the mount at \"" + path + "\"");
    return tree;
}

Result<void> attach_tree(int tree, int destination, std::string_view what) {
    if (::move_mount(tree, "", destination, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) != 0)
        return fail_errno("mount \"" + std::string(what) + "\"");
    return {};
}

Result<void> set_attributes(int tree, std::uint64_t set, std::uint64_t clear, std::uint64_t propagation, Depth depth) {
    mount_attr attributes{};
    attributes.attr_set = set;
    attributes.attr_clr = clear;
    attributes.propagation = propagation;
    const unsigned recursive = depth == Depth::tree ? AT_RECURSIVE : 0u;
    if (::mount_setattr(tree, "", static_cast<unsigned>(AT_EMPTY_PATH) | recursive, &attributes, sizeof attributes) !=
        0)
        return fail_errno("set attributes of a mount");
    return {};
}

}  // namespace gantry::native
