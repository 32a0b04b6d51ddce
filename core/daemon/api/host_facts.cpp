#include "core/daemon/api/host_facts.hpp"

#include <sched.h>
#include <sys/utsname.h>

#include "core/base/files.hpp"
#include "core/base/text.hpp"

namespace gantry::daemon {
namespace {

std::string content_of(const std::string& path) {
    auto text = read_file(path, 1u << 20);
    return text ? std::move(text).value() : std::string();
}

// NAME=value or NAME="value" of os-release(5).
std::string os_release(const std::string& text, std::string_view name) {
    for (std::string_view line : split(text, '\n')) {
        if (!line.starts_with(name) || line.substr(name.size(), 1) != "=") continue;
        std::string_view value = line.substr(name.size() + 1);
        if (value.size() >= 2 && (value.front() == '"' || value.front() == '\''))
            value = value.substr(1, value.size() - 2);
        return std::string(value);
    }
    return {};
}

std::int64_t memory_bytes() {
    for (const std::string& text = content_of("/proc/meminfo"); std::string_view line : split(text, '\n')) {
        if (!line.starts_with("MemTotal:")) continue;
        std::string_view value = trim(line.substr(9));
        return parse_int(value.substr(0, value.find(' '))).value_or(0) * 1024;
    }
    return 0;
}

void read_cgroup_facts(HostFacts& facts) {
    const std::string cgroup = "/sys/fs/cgroup";
    if (path_exists(cgroup + "/cgroup.controllers")) {
        facts.cgroup_version = 2;
        const std::string controllers = " " + content_of(cgroup + "/cgroup.controllers");
        auto has = [&](std::string_view name) {
            for (std::string_view one : split(trim(controllers), ' '))
                if (one == name) return true;
            return false;
        };
        facts.memory_limit = facts.swap_limit = has("memory");
        facts.cpu_quota = facts.cpu_shares = has("cpu");
        facts.cpu_set = has("cpuset");
        facts.pids_limit = has("pids");
        return;
    }
    facts.memory_limit = path_exists(cgroup + "/memory/memory.limit_in_bytes");
    facts.swap_limit = path_exists(cgroup + "/memory/memory.memsw.limit_in_bytes");
    facts.oom_kill_disable = path_exists(cgroup + "/memory/memory.oom_control");
    facts.cpu_quota = path_exists(cgroup + "/cpu/cpu.cfs_quota_us");
    facts.cpu_shares = path_exists(cgroup + "/cpu/cpu.shares");
    facts.cpu_set = path_exists(cgroup + "/cpuset/cpuset.cpus");
    facts.pids_limit = path_exists(cgroup + "/pids");
}

}  // namespace

std::string go_architecture(const std::string& machine) {
    if (machine == "x86_64") return "amd64";
    if (machine == "aarch64") return "arm64";
    if (machine == "i686" || machine == "i386") return "386";
    if (machine.starts_with("armv")) return "arm";
    return machine;  // riscv64, s390x, ppc64le: the same word
}

HostFacts read_host_facts() {
    HostFacts facts;
    utsname names{};
    if (::uname(&names) == 0) {
        facts.kernel = names.release;
        facts.machine = names.machine;
        facts.name = names.nodename;
        facts.architecture = go_architecture(facts.machine);
    }
    std::string release = content_of("/etc/os-release");
    if (release.empty()) release = content_of("/usr/lib/os-release");
    facts.system = os_release(release, "PRETTY_NAME");
    facts.system_version = os_release(release, "VERSION_ID");
    facts.memory_bytes = memory_bytes();
    cpu_set_t usable;
    if (::sched_getaffinity(0, sizeof usable, &usable) == 0) facts.processors = CPU_COUNT(&usable);
    read_cgroup_facts(facts);
    facts.seccomp = path_exists("/proc/sys/kernel/seccomp/actions_avail");
    facts.ipv4_forwarding = trim(content_of("/proc/sys/net/ipv4/ip_forward")) == "1";
    return facts;
}

}  // namespace gantry::daemon
