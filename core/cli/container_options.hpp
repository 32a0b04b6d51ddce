// The options of run and create, and the body of POST /containers/create that they make.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include <gantry/json.hpp>
#include <gantry/result.hpp>

#include "core/cli/flags.hpp"

namespace gantry::cli {

// What the options gave, by their names.
struct ContainerOptions {
    void declare(Flags& flags);

    bool interactive = false, tty = false, privileged = false, publish_all = false, init = false, read_only = false;
    bool no_healthcheck = false, oom_kill_disable = false, remove = false, quiet = false;
    std::string name, hostname, domainname, user, workdir, entrypoint, restart, network_ip, network_ip6, mac_address;
    std::string pid, ipc, uts, userns, cgroupns, cgroup_parent, runtime, volume_driver, log_driver, stop_signal,
        health_command;
    std::string cidfile, platform, pull = "missing", gpus, cpuset_cpus, cpuset_mems;
    std::vector<std::string> attach, environment, environment_files, labels, label_files, publish, expose, volumes,
        mounts, tmpfs, devices, networks, aliases, link_local_ips, links, dns, dns_search, dns_options, extra_hosts,
        cap_add, cap_drop, security, log_options, ulimits, sysctls, groups, annotations, volumes_from, device_rules,
        storage_options, read_bps, write_bps, read_iops, write_iops, weight_devices;
    std::int64_t memory = 0, memory_swap = 0, memory_reservation = 0, memory_swappiness = -1, shm_size = 0,
                 nano_cpus = 0;
    std::int64_t cpu_shares = 0, cpu_quota = 0, cpu_period = 0, cpu_rt_period = 0, cpu_rt_runtime = 0, pids_limit = 0,
                 blkio_weight = 0;
    std::int64_t oom_score_adj = 0, stop_timeout = 0, health_interval = 0, health_timeout = 0, health_start_period = 0,
                 health_start_interval = 0, health_retries = 0;

    // The body: Config with HostConfig and NetworkingConfig in it. `attached`: run without -d, or create.
    // GANTRY_INVALID in Docker's words.
    Result<Json> body(const Flags& flags, const std::string& image, const std::vector<std::string>& command,
                      bool attached) const;
};

}  // namespace gantry::cli
