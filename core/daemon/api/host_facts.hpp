// What the host is and can do, read where the kernel tells it.
#pragma once
#include <string>

namespace gantry::daemon {

struct HostFacts {
    std::string kernel, machine, name;   // uname
    std::string architecture;            // Go's word: "amd64"
    std::string system, system_version;  // os-release: PRETTY_NAME, VERSION_ID
    std::int64_t memory_bytes = 0;
    int processors = 0;  // that this process may use
    int cgroup_version = 1;
    bool memory_limit = false, swap_limit = false, cpu_quota = false, cpu_shares = false, cpu_set = false,
         pids_limit = false;
    bool oom_kill_disable = false, seccomp = false, ipv4_forwarding = false;
};

HostFacts read_host_facts();
// "x86_64" -> "amd64".
std::string go_architecture(const std::string& machine);

}  // namespace gantry::daemon
