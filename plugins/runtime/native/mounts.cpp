#include "mounts.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "cgroups.hpp"
#include "kernel.hpp"

namespace gantry::native {
namespace {

#ifndef SYSFS_MAGIC
#define SYSFS_MAGIC 0x62656572
#endif

// Files of /proc that other programs stand in for (LXCFS does): plain content, no control.
constexpr std::string_view replaceable[] = {"proc/cpuinfo", "proc/diskstats", "proc/meminfo",
                                            "proc/stat",    "proc/swaps",     "proc/uptime",
                                            "proc/loadavg", "proc/slabinfo",  "proc/sys/kernel/ns_last_pid"};

bool is_directory(int fd) {
    struct stat about {};
    return ::fstat(fd, &about) == 0 && S_ISDIR(about.st_mode);
}

// Resolves the place, making it where it is missing. A link in the way of /proc, /sys or /dev is an attack.
Result<UniqueFd> find_destination(int root, const std::string& clean, bool directory) {
    const bool kernel_place = clean == "proc" || clean == "sys" || clean == "dev";
    const Links links = kernel_place ? Links::refuse : Links::follow;
    return directory ? make_directories_in_root(root, "/" + clean, 0755, links)
                     : make_file_in_root(root, "/" + clean, links);
}

Result<void> apply(int tree, const MountOptions& options, Depth depth) {
    // A bind mount's recursive options reach the mounts below it.
    if (options.recursive_set || options.recursive_clear)
        GANTRY_CHECK(set_attributes(tree, options.recursive_set, options.recursive_clear, 0, depth));
    if (options.set || options.clear) GANTRY_CHECK(set_attributes(tree, options.set, options.clear, 0, Depth::one));
    if (options.propagation) GANTRY_CHECK(set_attributes(tree, 0, 0, options.propagation, options.propagation_depth));
    return {};
}

// cgroup v1: a tmpfs with one directory per hierarchy, as a host has it.
Result<void> fill_cgroup_directory(int tmpfs, const Cgroups& cgroups, const MountOptions& options) {
    for (const auto& view : cgroups.views()) {
        GANTRY_TRY(const UniqueFd tree, copy_tree_at(view.directory, Depth::one));
        GANTRY_CHECK(set_attributes(tree.get(), options.set | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
                                    options.clear, MS_PRIVATE, Depth::one));
        if (::mkdirat(tmpfs, view.name.c_str(), 0755) != 0)
            return fail_errno("make a directory for cgroup \"" + view.name + "\"");
        GANTRY_TRY(const UniqueFd place, open_at(tmpfs, view.name, O_PATH | O_DIRECTORY | O_NOFOLLOW));
        GANTRY_CHECK(attach_tree(tree.get(), place.get(), view.directory));
        for (const std::string& alias : view.aliases)
            if (::symlinkat(view.name.c_str(), tmpfs, alias.c_str()) != 0)
                return fail_errno("make the link \"" + alias + "\" of cgroup \"" + view.name + "\"");
    }
    return {};
}

Result<UniqueFd> make_tree(const MountSpec& mount, MountOptions& options, UniqueFd source, const Cgroups* cgroups) {
    if (options.bind) {
        if (!source)
            return fail(Code::invalid, "bind mount of \"" + mount.source + "\" on \"" + mount.destination +
                                           "\" came without a descriptor of its source");
        GANTRY_CHECK(apply(source.get(), options, Depth::tree));
        return source;
    }
    static constexpr std::string_view known[] = {"proc", "sysfs", "tmpfs", "devpts", "mqueue", "cgroup", "cgroup2"};
    if (std::find(std::begin(known), std::end(known), mount.type) == std::end(known))
        return fail(Code::unsupported,
                    "a mount of type \"" + mount.type + "\" on \"" + mount.destination + "\" is not supported");
    if (mount.type == "cgroup" || mount.type == "cgroup2") {
        if (!options.data.empty())
            return fail(Code::unsupported,
                        "mount option \"" + options.data[0] + "\" of \"" + mount.destination + "\" is not supported");
        if (!cgroups) return fail(Code::invalid, "a cgroup mount on \"" + mount.destination + "\" without cgroupsPath");
        if (const std::string v2 = cgroups->pure_v2(); !v2.empty()) {
            GANTRY_TRY(UniqueFd tree, copy_tree_at(v2, Depth::one));
            GANTRY_CHECK(set_attributes(tree.get(), options.set, options.clear, MS_PRIVATE, Depth::one));
            return tree;
        }
        if (mount.type == "cgroup2")
            return fail(Code::unsupported,
                        "a cgroup2 mount on \"" + mount.destination + "\": this machine uses cgroup v1");
        // Read-only only once it is filled.
        return new_filesystem("tmpfs", "tmpfs", {"mode=755"}, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
    }
    auto tree = new_filesystem(mount.type, mount.source.empty() ? mount.type : mount.source, options.data,
                               (options.set | options.recursive_set) & ~options.clear);
    if (!tree) return std::move(tree).error().context("mount \"" + mount.destination + "\"");
    if (options.propagation) GANTRY_CHECK(set_attributes(tree->get(), 0, 0, options.propagation, Depth::one));
    return tree;
}

}  // namespace

Result<void> check_destination(const std::string& clean, int destination, int tree) {
    if (clean.empty()) return fail(Code::invalid, "a mount on \"/\" is not allowed");
    const bool tree_is_proc = is_filesystem(tree, PROC_SUPER_MAGIC);
    if (clean == "proc") {
        if (tree_is_proc) return {};
        return fail(Code::denied, "a mount on \"/proc\" that is not a proc file system is not allowed");
    }
    if (is_filesystem(destination, PROC_SUPER_MAGIC)) {
        if (std::find(std::begin(replaceable), std::end(replaceable), clean) != std::end(replaceable) &&
            !is_directory(destination))
            return {};
        return fail(Code::denied, "a mount on \"/" + clean + "\", inside \"/proc\", is not allowed");
    }
    if (clean == "sys") {
        if (is_filesystem(tree, SYSFS_MAGIC)) return {};
        return fail(Code::denied, "a mount on \"/sys\" that is not a sysfs is not allowed");
    }
    // /sys/fs/cgroup and its like are named for what they are; a link that leads there by another name is not.
    if (is_filesystem(destination, SYSFS_MAGIC) && !clean.starts_with("sys/"))
        return fail(Code::denied, "a mount on \"/" + clean + "\", which leads into \"/sys\", is not allowed");
    return {};
}

Result<UniqueFd> place_mount(int root, const MountSpec& mount, UniqueFd source, const Cgroups* cgroups) {
    GANTRY_TRY(MountOptions options, parse_mount_options(mount));
    const std::string clean = clean_relative(mount.destination);
    GANTRY_TRY(UniqueFd tree, make_tree(mount, options, std::move(source), cgroups));
    auto destination = find_destination(root, clean, is_directory(tree.get()));
    if (!destination) {
        Error error = std::move(destination).error();
        if (error.system_errno == ELOOP) error.code = Code::denied;
        return std::move(error).context("mount on \"" + mount.destination + "\"");
    }
    if (is_directory(tree.get()) != is_directory(destination->get()))
        return fail(Code::invalid, "mount on \"" + mount.destination + "\": one is a directory and the other is not");
    GANTRY_CHECK(check_destination(clean, destination->get(), tree.get()));
    GANTRY_CHECK(attach_tree(tree.get(), destination->get(), mount.destination));
    if ((mount.type == "cgroup") && !options.bind && cgroups->pure_v2().empty()) {
        GANTRY_CHECK(fill_cgroup_directory(tree.get(), *cgroups, options));
        GANTRY_CHECK(set_attributes(tree.get(), options.set, options.clear, options.propagation, Depth::one));
    }
    return tree;
}

}  // namespace gantry::native
