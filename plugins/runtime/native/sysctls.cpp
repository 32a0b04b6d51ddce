#include "sysctls.hpp"

#include <linux/magic.h>

#include <algorithm>
#include <string_view>

#include "kernel.hpp"
#include "mount_api.hpp"

namespace gantry::native {
namespace {

constexpr std::string_view of_ipc[] = {"kernel/msgmax", "kernel/msgmnb", "kernel/msgmni", "kernel/sem",
                                       "kernel/shmall", "kernel/shmmax", "kernel/shmmni", "kernel/shm_rmid_forced"};

// sysctl(8): the first separator decides which of "." and "/" separates and which is part of a name.
std::string path_of(const std::string& name) {
    const auto first = name.find_first_of("./");
    std::string path = name;
    if (first == std::string::npos || name[first] == '/') return path;
    for (char& c : path) c = c == '.' ? '/' : c == '/' ? '.' : c;
    return path;
}

bool clean_name(const std::string& path) {
    constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./@:";
    if (path.empty() || path.size() > 255 || path.find_first_not_of(letters) != std::string::npos) return false;
    for (std::string_view part : split(path, '/'))
        if (part.empty() || part == "." || part == "..") return false;
    return true;
}

}  // namespace

Result<void> check_sysctls(const Spec& spec, bool own_network) {
    const auto refuse = [](const std::string& name, const std::string& why) {
        return fail(Code::denied, "sysctl \"" + name + "\" " + why);
    };
    for (const auto& [name, value] : spec.sysctls) {
        const std::string path = path_of(name);
        if (!clean_name(path)) return fail(Code::invalid, "\"" + name.substr(0, 80) + "\" is no name of a sysctl");
        if (value.size() > 4000 || value.find_first_of(std::string_view("\n\0", 2)) != std::string::npos)
            return fail(Code::invalid, "the value of sysctl \"" + name + "\" is not one line");
        const bool own_ipc = spec.at(NamespaceKind::ipc).mode != NamespaceSpec::Mode::absent;
        if (path.starts_with("net/")) {
            if (!own_network) return refuse(name, "would change the host: the container shares its network");
        } else if (path.starts_with("fs/mqueue/") ||
                   std::find(std::begin(of_ipc), std::end(of_ipc), path) != std::end(of_ipc)) {
            if (!own_ipc) return refuse(name, "would change the host: the container shares its ipc namespace");
        } else if (path == "kernel/domainname" || path == "kernel/hostname") {
            if (spec.at(NamespaceKind::uts).mode == NamespaceSpec::Mode::absent)
                return refuse(name, "would change the host: the container shares its uts namespace");
        } else {
            return refuse(name, "is not one of a namespace and would change the host");
        }
    }
    return {};
}

Result<void> write_sysctls(const std::vector<std::pair<std::string, std::string>>& sysctls) {
    if (sysctls.empty()) return {};
    GANTRY_TRY(const UniqueFd proc, new_filesystem("proc", "proc", {}, 0));
    if (!is_filesystem(proc.get(), PROC_SUPER_MAGIC))
        return fail(Code::internal, "the private proc file system is none");
    for (const auto& [name, value] : sysctls)
        if (auto done = write_at(proc.get(), "sys/" + path_of(name), value); !done)
            return std::move(done).context("sysctl \"" + name + "\"");
    return {};
}

}  // namespace gantry::native
