#include "core/container/rootfs_view.hpp"

#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <thread>

#include <gantry/layer.hpp>

#include "core/base/files.hpp"

namespace gantry::container {
namespace {

// glibc 2.36 wraps these, but its <sys/mount.h> and <linux/mount.h> cannot be included together everywhere.
int fs_open(const char* type) { return static_cast<int>(::syscall(SYS_fsopen, type, 1u /* FSOPEN_CLOEXEC */)); }
int fs_config(int fd, unsigned command, const char* key, const char* value) {
    return static_cast<int>(::syscall(SYS_fsconfig, fd, command, key, value, 0));
}
int fs_mount(int fd, unsigned attributes) {
    return static_cast<int>(::syscall(SYS_fsmount, fd, 1u /* FSMOUNT_CLOEXEC */, attributes));
}
int open_tree_fd(int directory, const char* path, unsigned flags) {
    return static_cast<int>(::syscall(SYS_open_tree, directory, path, flags));
}
constexpr unsigned config_flag = 0, config_string = 1, config_create = 6;
constexpr unsigned attribute_read_only = 0x1, attribute_no_device = 0x4;

// "upperdir" and "workdir" are taken with escapes, unlike "lowerdir+": a backslash in a name would name another directory.
std::string backslashes_escaped(const std::string& path) {
    std::string text;
    for (char c : path) text.append(c == '\\' ? 2 : 1, c);
    return text;
}

// The way of Linux 6.5 and later: one key a layer, no length limit, no separators to escape.
Result<UniqueFd> open_overlay(const MountPlan& plan, Access access) {
    UniqueFd context(fs_open("overlay"));
    if (!context) return fail_errno("fsopen overlay");
    auto set = [&](const char* key, const std::string& value) -> Result<void> {
        if (fs_config(context.get(), config_string, key, value.c_str()) != 0)
            return fail_errno(std::string("overlay option ") + key + "=\"" + value + "\"");
        return {};
    };
    for (const auto& lower : plan.lower) GANTRY_CHECK(set("lowerdir+", lower));
    // Read-only, the upper directory is one more lower one on top; then the running container's own mount is not disturbed.
    if (!plan.upper.empty() && access == Access::read_write) {
        GANTRY_CHECK(set("upperdir", backslashes_escaped(plan.upper)));
        GANTRY_CHECK(set("workdir", backslashes_escaped(plan.work)));
    }
    for (const auto& option : plan.fs_options) {
        const std::size_t equals = option.find('=');
        if (equals != std::string::npos)
            GANTRY_CHECK(set(option.substr(0, equals).c_str(), option.substr(equals + 1)));
        else if (fs_config(context.get(), config_flag, option.c_str(), nullptr) != 0)
            return fail_errno("overlay option " + option);
    }
    if (fs_config(context.get(), config_create, nullptr, nullptr) != 0) return fail_errno("mount overlay");
    UniqueFd mount(
        fs_mount(context.get(), attribute_no_device | (access == Access::read_only ? attribute_read_only : 0)));
    if (!mount) return fail_errno("fsmount overlay");
    return mount;
}

std::string escaped(const std::string& path) {
    std::string text;
    for (char c : path) {
        if (c == ':' || c == ',' || c == '\\') text += '\\';
        text += c;
    }
    return text;
}

// The way of older kernels: mount(2) in a mount namespace of a thread that ends with it, and a clone of that mount.
Result<UniqueFd> open_overlay_old(const MountPlan& plan, Access access) {
    std::string data = "lowerdir=";
    for (const auto& lower : plan.lower) data += (&lower == plan.lower.data() ? "" : ":") + escaped(lower);
    if (!plan.upper.empty() && access == Access::read_write)
        data += ",upperdir=" + escaped(plan.upper) + ",workdir=" + escaped(plan.work);
    for (const auto& option : plan.fs_options) data += "," + option;
    if (data.size() >= 4096)
        return fail(Code::unsupported,
                    "this kernel cannot mount so many layers (" + std::to_string(plan.lower.size()) + ")");
    Result<UniqueFd> mount = fail(Code::internal, "not mounted");
    std::thread([&] {
        if (::unshare(CLONE_NEWNS | CLONE_FS) != 0 ||
            ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
            mount = fail_errno("make a mount namespace");
            return;
        }
        unsigned long flags = MS_NODEV;
        if (access == Access::read_only) flags |= MS_RDONLY;
        if (::mount("overlay", "/tmp", "overlay", flags, data.c_str()) != 0) {
            mount = fail_errno("mount overlay");
            return;
        }
        UniqueFd tree(open_tree_fd(AT_FDCWD, "/tmp", 1u /* OPEN_TREE_CLONE */ | O_CLOEXEC));
        if (tree)
            mount = std::move(tree);
        else
            mount = fail_errno("open_tree overlay");
    }).join();
    return mount;
}

}  // namespace

Result<UniqueFd> open_rootfs(const Json& mounts, Access access) {
    try {
        if (!mounts.is_array() || mounts.size() != 1)
            return fail(Code::unsupported, "a root of " + std::to_string(mounts.size()) + " mounts");
        MountPlan plan = mounts[0].get<MountPlan>();
        if (plan.type == "bind")
            return open_file(plan.source, O_PATH | O_DIRECTORY).context("open the root file system");
        if (plan.type != "overlay") return fail(Code::unsupported, "a root of type \"" + plan.type + "\"");
        if (access == Access::read_only && !plan.upper.empty()) {
            plan.lower.insert(plan.lower.begin(), plan.upper);
            plan.upper.clear();
        }
        // One directory alone is no overlay: the kernel wants two.
        if (plan.lower.size() == 1 && plan.upper.empty()) return open_file(plan.lower[0], O_PATH | O_DIRECTORY);
        auto mount = open_overlay(plan, access);
        if (!mount && mount.error().system_errno == EINVAL) mount = open_overlay_old(plan, access);
        return std::move(mount).context("mount the root file system");
    } catch (const Json::exception& e) {
        return fail(Code::internal, std::string("the layer driver's mount plan: ") + e.what());
    }
}

}  // namespace gantry::container
