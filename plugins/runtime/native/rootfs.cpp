#include "rootfs.hpp"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "kernel.hpp"
#include "mount_api.hpp"

namespace gantry::native {
namespace {

// mount(2) takes one page of options.
constexpr std::size_t page = 4096;

std::string escape(const std::string& path) {
    std::string out;
    for (const char c : path) {
        if (c == ':' || c == ',' || c == '\\') out += '\\';
        out += c;
    }
    return out;
}

// fsconfig(2) takes "upperdir" and "workdir" with escapes, unlike "lowerdir+": a backslash in a name would name another directory.
std::string escape_backslashes(const std::string& path) {
    std::string out;
    for (const char c : path) out.append(c == '\\' ? 2 : 1, c);
    return out;
}

bool read_only(const MountPlan& plan) {
    return std::find(plan.options.begin(), plan.options.end(), "ro") != plan.options.end() ||
           (plan.type == "overlay" && plan.upper.empty());
}

Result<const MountPlan*> the_one(const std::vector<MountPlan>& plan) {
    if (plan.size() != 1)
        return fail(Code::unsupported,
                    "a root of " + std::to_string(plan.size()) + " mounts is not supported, only of one");
    const MountPlan& mount = plan[0];
    for (const std::string& option : mount.options)
        if (option != "ro" && option != "rw" && option != "rbind" && option != "bind")
            return fail(Code::unsupported, "option \"" + option + "\" of the root's mount is not supported");
    if (mount.type == "bind")
        return mount.source.empty()
                   ? Result<const MountPlan*>(fail(Code::invalid, "the root's bind mount names no source"))
                   : Result<const MountPlan*>(&mount);
    if (mount.type != "overlay")
        return fail(Code::unsupported, "a root of type \"" + mount.type + "\" is not supported");
    if (mount.lower.empty()) return fail(Code::invalid, "the root's overlay mount names no lower directory");
    if (mount.upper.empty() != mount.work.empty())
        return fail(Code::invalid, "the root's overlay mount has only one of \"upper\" and \"work\"");
    return &mount;
}

Result<UniqueFd> bind_tree(const std::string& source, bool read_only_too) {
    GANTRY_TRY(UniqueFd tree, copy_tree_at(source, Depth::tree));
    GANTRY_CHECK(set_attributes(tree.get(), read_only_too ? MOUNT_ATTR_RDONLY : 0u, 0, MS_PRIVATE, Depth::one));
    return tree;
}

Result<UniqueFd> overlay_tree(const MountPlan& plan) {
    const UniqueFd context(::fsopen("overlay", FSOPEN_CLOEXEC));
    if (!context) return fail_errno("use file system \"overlay\"");
    const auto set = [&](const char* key, const std::string& value) -> Result<void> {
        if (::fsconfig(context.get(), FSCONFIG_SET_STRING, key, value.c_str(), 0) == 0) return {};
        return fail_errno(std::string("option \"") + key + "\" of the root's overlay, \"" + value + "\"");
    };
    (void)set("source", "overlay");
    for (const std::string& lower : plan.lower) {
        auto added = set("lowerdir+", lower);
        if (added) continue;
        // Not known to this kernel, or a path beyond the 255 bytes that fsconfig(2) takes as text.
        const int error = added.error().system_errno;
        if (&lower == plan.lower.data() && (error == EINVAL || error == EOPNOTSUPP))
            return fail_errno("overlay by fsconfig", EOPNOTSUPP);
        return std::move(added).error();
    }
    if (!plan.upper.empty()) {
        GANTRY_CHECK(set("upperdir", escape_backslashes(plan.upper)));
        GANTRY_CHECK(set("workdir", escape_backslashes(plan.work)));
    }
    for (const std::string& option : plan.fs_options) {
        const auto equals = option.find('=');
        if (equals != std::string::npos)
            GANTRY_CHECK(set(option.substr(0, equals).c_str(), option.substr(equals + 1)));
        else if (::fsconfig(context.get(), FSCONFIG_SET_FLAG, option.c_str(), nullptr, 0) != 0)
            return fail_errno("option \"" + option + "\" of the root's overlay");
    }
    if (::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) {
        const int error = errno;
        char words[256] = {};
        const ssize_t n = ::read(context.get(), words, sizeof words - 1);
        std::string why = n > 2 ? " (" + std::string(words + 2, static_cast<std::size_t>(n - 2)) + ")" : "";
        std::replace(why.begin(), why.end(), '\n', ' ');
        // Kernels before 6.5 take any option as text and refuse what they do not know only here.
        if (error == EINVAL)
            return Error{Code::unsupported, "make the root's overlay by fsconfig" + why + ": " + std::strerror(error),
                         EOPNOTSUPP};
        return fail_errno("make the root's overlay" + why, error);
    }
    UniqueFd tree(::fsmount(context.get(), FSMOUNT_CLOEXEC, read_only(plan) ? MOUNT_ATTR_RDONLY : 0u));
    if (!tree) return fail_errno("mount the root's overlay");
    return tree;
}

std::string common_directory(const MountPlan& plan) {
    std::string common = plan.lower[0].substr(0, plan.lower[0].rfind('/'));
    const auto shorten = [&](const std::string& path) {
        while (!common.empty() && !path.starts_with(common + "/")) common.resize(common.rfind('/'));
    };
    for (const std::string& lower : plan.lower) shorten(lower);
    if (!plan.upper.empty()) {
        shorten(plan.upper);
        shorten(plan.work);
    }
    return common;
}

}  // namespace

std::string overlay_options(const MountPlan& plan, const std::string& relative_to) {
    const auto name = [&](const std::string& path) {
        return escape(relative_to.empty() ? path : path.substr(relative_to.size() + 1));
    };
    std::string text = "lowerdir=";
    for (const std::string& lower : plan.lower) text += (&lower == plan.lower.data() ? "" : ":") + name(lower);
    if (!plan.upper.empty()) text += ",upperdir=" + name(plan.upper) + ",workdir=" + name(plan.work);
    for (const std::string& option : plan.fs_options) text += "," + option;
    return text;
}

Result<UniqueFd> make_root_tree(const std::vector<MountPlan>& plans) {
    GANTRY_TRY(const MountPlan* plan, the_one(plans));
    if (plan->type == "bind") return bind_tree(plan->source, read_only(*plan));
    // An overlay of one read-only directory is that directory, and older kernels refuse it.
    if (plan->upper.empty() && plan->lower.size() == 1) return bind_tree(plan->lower[0], true);
    for (const std::string& lower : plan->lower)
        if (lower.size() > 255) return fail_errno("overlay by fsconfig", EOPNOTSUPP);
    for (const std::string* path : {&plan->upper, &plan->work})
        if (escape_backslashes(*path).size() > 255) return fail_errno("overlay by fsconfig", EOPNOTSUPP);
    return overlay_tree(*plan);
}

Result<UniqueFd> mount_root_by_path(const std::vector<MountPlan>& plans, const std::string& place) {
    GANTRY_TRY(const MountPlan* plan, the_one(plans));
    std::string relative_to, options = overlay_options(*plan, "");
    if (options.size() >= page) {
        // Shorter names, seen from the directory that all have in common.
        relative_to = common_directory(*plan);
        options = overlay_options(*plan, relative_to);
        if (options.size() >= page)
            return fail(Code::unsupported, "the root has more layers than mount(2) takes on this kernel: " +
                                               std::to_string(plan->lower.size()));
        if (!relative_to.empty() && ::chdir(relative_to.c_str()) != 0)
            return fail_errno("enter \"" + relative_to + "\"");
    }
    const unsigned long flags = read_only(*plan) ? static_cast<unsigned long>(MS_RDONLY) : 0ul;
    if (::mount("overlay", place.c_str(), "overlay", flags, options.c_str()) != 0)
        return fail_errno("mount the root's overlay");
    if (::chdir("/") != 0) return fail_errno("enter \"/\"");
    return open_at(AT_FDCWD, place, O_PATH | O_DIRECTORY);
}

Result<void> isolate_mounts() {
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return fail_errno("make mounts private");
    return {};
}

Result<void> enter_root(int root) {
    if (::fchdir(root) != 0) return fail_errno("enter the root");
    // The old root ends up on top of the new one and is taken off again: no directory for it is needed.
    if (::syscall(SYS_pivot_root, ".", ".") != 0) return fail_errno("change the root");
    if (::umount2(".", MNT_DETACH) != 0) return fail_errno("let go of the host's root");
    if (::chdir("/") != 0) return fail_errno("enter \"/\"");
    return {};
}

}  // namespace gantry::native
