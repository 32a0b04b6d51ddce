#include "core/container/subtree.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <thread>

#include "core/base/safe_path.hpp"

namespace gantry::container {
namespace {

constexpr unsigned clone_tree = 1, from_empty_path = 0x4;  // OPEN_TREE_CLONE, MOVE_MOUNT_F_EMPTY_PATH

UniqueFd clone_of(int fd) {
    return UniqueFd(static_cast<int>(
        ::syscall(SYS_open_tree, fd, "", clone_tree | O_CLOEXEC | static_cast<unsigned>(AT_EMPTY_PATH))));
}

}  // namespace

Result<UniqueFd> open_subtree(const Json& mounts, const std::string& path, Access access) {
    GANTRY_TRY(UniqueFd root, open_rootfs(mounts, access));
    const std::string clean = clean_relative(path);
    if (clean.empty()) return root;
    // A part of a mount that is attached nowhere can be cloned only from Linux 6.15 on. So it is attached for a moment, in
    // a mount namespace of a thread that ends with it.
    Result<UniqueFd> part = fail(Code::internal, "not opened");
    std::thread([&] {
        if (::unshare(CLONE_NEWNS | CLONE_FS) != 0 ||
            ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
            part = fail_errno("make a mount namespace");
            return;
        }
        if (::syscall(SYS_move_mount, root.get(), "", AT_FDCWD, "/tmp", from_empty_path) != 0) {
            // A plain directory of the host, which the launcher clones from where it is.
            if (errno == EINVAL)
                part = open_in_root(root.get(), clean, O_PATH);
            else
                part = fail_errno("attach the root file system");
            return;
        }
        UniqueFd place(::open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC));
        auto found = open_in_root(place.get(), clean, O_PATH);
        if (!found) {
            part = std::move(found).error();
            return;
        }
        UniqueFd tree = clone_of(found->get());
        if (tree)
            part = std::move(tree);
        else
            part = fail_errno("clone a part of the root file system");
    }).join();
    return part;
}

}  // namespace gantry::container
