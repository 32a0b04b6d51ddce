#include "namespaces.hpp"

#include <fcntl.h>
#include <grp.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "kernel.hpp"

namespace gantry::native {
namespace {

constexpr std::uint64_t flags[namespace_kinds] = {CLONE_NEWPID, CLONE_NEWNET,  CLONE_NEWNS,     CLONE_NEWIPC,
                                                  CLONE_NEWUTS, CLONE_NEWUSER, CLONE_NEWCGROUP, 0x80};
constexpr const char* kind_names[namespace_kinds] = {"pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time"};
constexpr const char* files[namespace_kinds] = {"pid", "net", "mnt", "ipc", "uts", "user", "cgroup", "time"};

Result<void> write_map(pid_t pid, const char* file, const std::vector<IdMapping>& map) {
    std::string text;
    for (const IdMapping& entry : map)
        text += std::to_string(entry.inside) + " " + std::to_string(entry.outside) + " " + std::to_string(entry.count) +
                "\n";
    return write_at(AT_FDCWD, "/proc/" + std::to_string(pid) + "/" + file, text);
}

}  // namespace

std::uint64_t namespace_flag(NamespaceKind kind) { return flags[static_cast<std::size_t>(kind)]; }

std::uint64_t clone_flags(const Spec& spec) {
    std::uint64_t out = 0;
    for (std::size_t kind = 0; kind < namespace_kinds; ++kind)
        if (spec.namespaces[kind].mode == NamespaceSpec::Mode::fresh &&
            static_cast<NamespaceKind>(kind) != NamespaceKind::cgroup)
            out |= flags[kind];
    return out;
}

Result<void> check_namespace(int fd, NamespaceKind kind) {
    const std::size_t index = static_cast<std::size_t>(kind);
    if (!is_filesystem(fd, NSFS_MAGIC) || static_cast<std::uint64_t>(::ioctl(fd, NS_GET_NSTYPE)) != flags[index])
        return fail(Code::invalid, std::string("the descriptor is not that of a ") + kind_names[index] + " namespace");
    return {};
}

Result<UniqueFd> open_namespace(const std::string& path, NamespaceKind kind) {
    GANTRY_TRY(UniqueFd fd, open_at(AT_FDCWD, path, O_RDONLY));
    if (auto checked = check_namespace(fd.get(), kind); !checked)
        return std::move(checked).error().context("\"" + path + "\"");
    return fd;
}

Result<void> join_namespace(int fd, NamespaceKind kind) {
    const std::size_t index = static_cast<std::size_t>(kind);
    if (::setns(fd, static_cast<int>(flags[index])) != 0)
        return fail_errno(std::string("join the ") + kind_names[index] + " namespace");
    return {};
}

Result<BornIn> BornIn::enter(int fd, NamespaceKind kind) {
    GANTRY_TRY(UniqueFd back,
               open_at(AT_FDCWD, std::string("/proc/self/ns/") + files[static_cast<std::size_t>(kind)], O_RDONLY));
    GANTRY_CHECK(join_namespace(fd, kind));
    return BornIn(std::move(back), kind);
}

BornIn::~BornIn() {
    if (back_) (void)join_namespace(back_.get(), kind_);
}

Result<void> write_id_maps(pid_t pid, const Spec& spec) {
    GANTRY_CHECK(write_map(pid, "uid_map", spec.uid_map));
    return write_map(pid, "gid_map", spec.gid_map);
}

Result<void> become_namespace_root() {
    if (::setgroups(0, nullptr) != 0 && errno != EPERM) return fail_errno("drop supplementary groups");
    if (::setresgid(0, 0, 0) != 0) return fail_errno("become group 0 of the user namespace");
    if (::setresuid(0, 0, 0) != 0) return fail_errno("become user 0 of the user namespace");
    return {};
}

Result<void> set_names(const Spec& spec) {
    if (!spec.hostname.empty() && ::sethostname(spec.hostname.c_str(), spec.hostname.size()) != 0)
        return fail_errno("set host name \"" + spec.hostname + "\"");
    if (!spec.domainname.empty() && ::setdomainname(spec.domainname.c_str(), spec.domainname.size()) != 0)
        return fail_errno("set domain name \"" + spec.domainname + "\"");
    return {};
}

}  // namespace gantry::native
