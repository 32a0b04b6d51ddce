#include "core/container/container_root.hpp"

#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "core/base/failpoint.hpp"
#include "core/base/files.hpp"
#include "core/base/safe_path.hpp"
#include "core/base/text.hpp"

namespace gantry::container {
namespace {

constexpr unsigned empty_path = AT_EMPTY_PATH;

// A copy of the mount that `source` lies on, from there on; a detached mount may be that already.
Result<UniqueFd> detached(UniqueFd source, bool recursive, bool read_only) {
    const unsigned deep = recursive ? AT_RECURSIVE : 0u;
    UniqueFd tree(::open_tree(source.get(), "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | empty_path | deep));
    // Kernels before 6.15 copy no detached mount (EINVAL): it serves itself, as it is nobody else's.
    if (!tree && errno != EINVAL) return fail_errno("copy a mount");
    if (!tree) tree = std::move(source);
    if (read_only) {
        mount_attr attributes{};
        attributes.attr_set = MOUNT_ATTR_RDONLY;
        if (::mount_setattr(tree.get(), "", empty_path | deep, &attributes, sizeof attributes) != 0)
            return fail_errno("make a mount read-only");
    }
    return tree;
}

using Attachments = std::vector<ContainerRoot::Attachment>;

bool lies_in_another(const Attachments& attachments, const ContainerRoot::Attachment& one) {
    const std::string path = "/" + clean_relative(one.destination);
    return std::any_of(attachments.begin(), attachments.end(), [&](const auto& other) {
        return &other != &one && path.starts_with("/" + clean_relative(other.destination) + "/");
    });
}

Result<bool> is_directory(int fd) {
    struct stat info {};
    if (::fstat(fd, &info) != 0) return fail_errno("look up a mount's source");
    return S_ISDIR(info.st_mode);
}

Result<std::string> shown_path(int fd) {
    std::string path(PATH_MAX, '\0');
    const ssize_t n = ::readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), path.data(), path.size());
    if (n < 0) return fail_errno("find the path of a descriptor");
    path.resize(static_cast<std::size_t>(n));
    return path;
}

Result<void> make_mount_point(int root, const ContainerRoot::Attachment& attachment) {
    GANTRY_TRY(bool directory, is_directory(attachment.source.get()));
    if (directory) {
        GANTRY_CHECK(make_directories_in_root(root, attachment.destination));
        return {};
    }
    const std::string path = clean_relative(attachment.destination);
    const std::size_t slash = path.rfind('/');
    GANTRY_TRY(UniqueFd parent,
               make_directories_in_root(root, slash == std::string::npos ? "" : path.substr(0, slash)));
    GANTRY_CHECK(open_in_root(parent.get(), path.substr(slash == std::string::npos ? 0 : slash + 1),
                              O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644));
    return {};
}

// In a thread of its own, which leaves its namespace behind: nothing of this is to touch the engine's own.
Result<UniqueFd> mount_all(int root, const std::vector<ContainerRoot::Attachment>& attachments,
                           const std::string& anchor) {
    if (::unshare(CLONE_FS | CLONE_NEWNS) != 0) return fail_errno("make a mount namespace");
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return fail_errno("make mounts private");
    if (::move_mount(root, "", AT_FDCWD, anchor.c_str(), MOVE_MOUNT_F_EMPTY_PATH) != 0)
        return fail_errno("mount the container's root");
    GANTRY_TRY(UniqueFd space, open_file("/proc/thread-self/ns/mnt", O_RDONLY));
    for (const auto& attachment : attachments) {
        GANTRY_FAILPOINT("container.root.before_mount");
        auto target = open_in_root(root, attachment.destination, O_PATH);
        if (!target && target.error().system_errno == ENOENT) {
            // In what has just been mounted: there the container's start would make it, too.
            GANTRY_CHECK(make_mount_point(root, attachment));
            target = open_in_root(root, attachment.destination, O_PATH);
        }
        if (!target) return std::move(target).error().context("mount point");
        if (::move_mount(attachment.source.get(), "", target->get(), "",
                         MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) != 0)
            return fail_errno("mount " + quote_json(attachment.destination));
    }
    // The host's own mounts go from this namespace, so that it holds none of them.
    if (::fchdir(root) != 0 || ::syscall(SYS_pivot_root, ".", ".") != 0) return fail_errno("change to the root");
    if (::umount2(".", MNT_DETACH) != 0) return fail_errno("leave the host's mounts");
    return space;
}

}  // namespace

Result<ContainerRoot> ContainerRoot::of_process(int pid, const std::string& id) {
    auto ended = [&] { return fail(Code::conflict, "container " + id + " is not running"); };
    if (pid <= 0) return ended();
    const std::string proc = "/proc/" + std::to_string(pid);
    // The number may have gone to another process: what is read between these two looks at the same living process is
    // that one's, and its control group says whose it is.
    UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0u)));
    if (!process) return ended();
    auto groups = read_file(proc + "/cgroup", 1u << 20);
    if (!groups || groups->find(id) == std::string::npos) return ended();
    GANTRY_FAILPOINT("container.root.before_open");
    ContainerRoot container;
    auto root = open_file(proc + "/root", O_PATH | O_DIRECTORY);
    if (!root) return ended();
    container.root_ = std::move(*root);
    if (::syscall(SYS_pidfd_send_signal, process.get(), 0, nullptr, 0u) != 0) return ended();
    return container;
}

Result<ContainerRoot> ContainerRoot::composed(UniqueFd root, bool read_only, std::vector<Attachment> attachments,
                                              const std::string& anchor) {
    ContainerRoot container;
    // Only the root itself may be a plain directory with the host's mounts below: they are not the container's.
    GANTRY_TRY(container.root_, detached(std::move(root), false, read_only));
    for (Attachment& attachment : attachments) {
        GANTRY_TRY(attachment.source,
                   detached(std::move(attachment.source), attachment.recursive, attachment.read_only));
    }
    Result<UniqueFd> space = fail(Code::internal, "not mounted");
    std::thread([&] { space = mount_all(container.root_.get(), attachments, anchor); }).join();
    if (!space) return std::move(space).error();
    container.namespace_ = std::move(*space);
    return container;
}

Result<std::string> ContainerRoot::path_of(int fd) const {
    GANTRY_TRY(std::string path, shown_path(fd));
    GANTRY_TRY(std::string root, shown_path(root_.get()));
    if (root == "/") return path;
    if (path == root) return std::string("/");
    if (!path.starts_with(root + "/")) return fail(Code::internal, "a descriptor outside of the container's root");
    return path.substr(root.size());
}

Result<void> make_mount_points(int root, const std::vector<ContainerRoot::Attachment>& attachments) {
    for (const auto& attachment : attachments)
        if (!lies_in_another(attachments, attachment) && !open_in_root(root, attachment.destination, O_PATH))
            GANTRY_CHECK(make_mount_point(root, attachment));
    return {};
}

bool has_mount_points(int root, const std::vector<ContainerRoot::Attachment>& attachments) {
    for (const auto& attachment : attachments)
        if (!lies_in_another(attachments, attachment) && !open_in_root(root, attachment.destination, O_PATH))
            return false;
    return true;
}

bool is_kernel_filesystem(int fd) {
    struct statfs info {};
    if (::fstatfs(fd, &info) != 0) return false;
    constexpr std::int64_t mqueue_magic = 0x19800202;
    switch (static_cast<std::int64_t>(info.f_type)) {
    case PROC_SUPER_MAGIC:
    case SYSFS_MAGIC:
    case CGROUP_SUPER_MAGIC:
    case CGROUP2_SUPER_MAGIC:
    case DEVPTS_SUPER_MAGIC:
    case DEBUGFS_MAGIC:
    case TRACEFS_MAGIC:
    case SECURITYFS_MAGIC:
    case BPF_FS_MAGIC:
    case mqueue_magic: return true;
    default: return false;
    }
}

}  // namespace gantry::container
