#include "core/cli/container_options.hpp"

#include "core/base/text.hpp"
#include "core/cli/key_values.hpp"

namespace gantry::cli {
namespace {

void size(Flags& flags, std::int64_t& target, char letter, const char* name, const char* help,
          bool signed_value = false) {
    flags.custom(
        [&target, signed_value](std::string_view value) -> Result<void> {
            if (signed_value && value == "-1") {
                target = -1;
                return {};
            }
            auto bytes = parse_size(value);
            if (!bytes) return fail(Code::invalid, "invalid size: '" + std::string(value) + "'");
            target = *bytes;
            return {};
        },
        letter, name, "bytes", help);
}

void duration(Flags& flags, std::int64_t& target, const char* name, const char* help) {
    flags.custom(
        [&target](std::string_view value) -> Result<void> {
            auto ns = parse_duration(value);
            if (!ns) return fail(Code::invalid, "time: invalid duration \"" + std::string(value) + "\"");
            target = *ns;
            return {};
        },
        0, name, "duration", help);
}

void declare_process(ContainerOptions& o, Flags& flags) {
    flags.boolean(o.interactive, 'i', "interactive", "Keep STDIN open even if not attached");
    flags.boolean(o.tty, 't', "tty", "Allocate a pseudo-TTY");
    flags.list(o.attach, 'a', "attach", "Attach to STDIN, STDOUT or STDERR");
    flags.list(o.environment, 'e', "env", "Set environment variables");
    flags.list(o.environment_files, 0, "env-file", "Read in a file of environment variables");
    flags.text(o.workdir, 'w', "workdir", "Working directory inside the container");
    flags.text(o.user, 'u', "user", "Username or UID (format: <name|uid>[:<group|gid>])");
    flags.list(o.groups, 0, "group-add", "Add additional groups to join");
    flags.text(o.entrypoint, 0, "entrypoint", "Overwrite the default ENTRYPOINT of the image");
    flags.boolean(o.init, 0, "init", "Run an init inside the container that forwards signals and reaps processes");
    flags.text(o.stop_signal, 0, "stop-signal", "Signal to stop the container");
    flags.integer(o.stop_timeout, 0, "stop-timeout", "Timeout (in seconds) to stop a container");
    flags.text(o.restart, 0, "restart", "Restart policy to apply when a container exits");
}

void declare_identity(ContainerOptions& o, Flags& flags) {
    flags.text(o.name, 0, "name", "Assign a name to the container");
    flags.text(o.hostname, 'h', "hostname", "Container host name");
    flags.text(o.domainname, 0, "domainname", "Container NIS domain name");
    flags.list(o.labels, 'l', "label", "Set meta data on a container");
    flags.list(o.label_files, 0, "label-file", "Read in a line delimited file of labels");
    flags.list(o.annotations, 0, "annotation", "Add an annotation to the container (passed through to the OCI runtime)",
               "map");
    flags.text(o.cidfile, 0, "cidfile", "Write the container ID to the file");
    flags.text(o.platform, 0, "platform", "Set platform if server is multi-platform capable");
    flags.text(o.pull, 0, "pull", "Pull image before creating (\"always\", \"missing\", \"never\")");
    flags.boolean(o.quiet, 'q', "quiet", "Suppress the pull output");
    flags.boolean(o.remove, 0, "rm",
                  "Automatically remove the container and its associated anonymous volumes when it exits");
    flags.text(o.runtime, 0, "runtime", "Runtime to use for this container");
}

void declare_network(ContainerOptions& o, Flags& flags) {
    flags.list(o.publish, 'p', "publish", "Publish a container's port(s) to the host");
    flags.boolean(o.publish_all, 'P', "publish-all", "Publish all exposed ports to random ports");
    flags.list(o.expose, 0, "expose", "Expose a port or a range of ports");
    flags.list(o.networks, 0, "network", "Connect a container to a network", "network");
    flags.list(o.networks, 0, "net", "Connect a container to a network", "network");
    flags.hide();
    flags.list(o.aliases, 0, "network-alias", "Add network-scoped alias for the container");
    flags.list(o.aliases, 0, "net-alias", "Add network-scoped alias for the container");
    flags.hide();
    flags.text(o.network_ip, 0, "ip", "IPv4 address (e.g., 172.30.100.104)", "ip");
    flags.text(o.network_ip6, 0, "ip6", "IPv6 address (e.g., 2001:db8::33)", "ip");
    flags.list(o.link_local_ips, 0, "link-local-ip", "Container IPv4/IPv6 link-local addresses");
    flags.text(o.mac_address, 0, "mac-address", "Container MAC address (e.g., 92:d0:c6:0a:29:33)");
    flags.list(o.links, 0, "link", "Add link to another container");
    flags.list(o.dns, 0, "dns", "Set custom DNS servers");
    flags.list(o.dns_search, 0, "dns-search", "Set custom DNS search domains");
    flags.list(o.dns_options, 0, "dns-option", "Set DNS options");
    flags.list(o.dns_options, 0, "dns-opt", "Set DNS options");
    flags.hide();
    flags.list(o.extra_hosts, 0, "add-host", "Add a custom host-to-IP mapping (host:ip)");
}

void declare_storage(ContainerOptions& o, Flags& flags) {
    flags.list(o.volumes, 'v', "volume", "Bind mount a volume");
    flags.list(o.mounts, 0, "mount", "Attach a filesystem mount to the container", "mount");
    flags.list(o.tmpfs, 0, "tmpfs", "Mount a tmpfs directory");
    flags.list(o.volumes_from, 0, "volumes-from", "Mount volumes from the specified container(s)");
    flags.text(o.volume_driver, 0, "volume-driver", "Optional volume driver for the container");
    flags.list(o.storage_options, 0, "storage-opt", "Storage driver options for the container");
    flags.boolean(o.read_only, 0, "read-only", "Mount the container's root filesystem as read only");
    flags.list(o.devices, 0, "device", "Add a host device to the container");
    flags.list(o.device_rules, 0, "device-cgroup-rule", "Add a rule to the cgroup allowed devices list");
    flags.text(o.gpus, 0, "gpus", "GPU devices to add to the container (not supported)", "gpu-request");
    flags.hide();
}

void declare_security(ContainerOptions& o, Flags& flags) {
    flags.boolean(o.privileged, 0, "privileged", "Give extended privileges to this container");
    flags.list(o.cap_add, 0, "cap-add", "Add Linux capabilities");
    flags.list(o.cap_drop, 0, "cap-drop", "Drop Linux capabilities");
    flags.list(o.security, 0, "security-opt", "Security options");
    flags.text(o.userns, 0, "userns", "User namespace to use");
    flags.text(o.pid, 0, "pid", "PID namespace to use");
    flags.text(o.ipc, 0, "ipc", "IPC mode to use");
    flags.text(o.uts, 0, "uts", "UTS namespace to use");
    flags.text(o.cgroupns, 0, "cgroupns", "Cgroup namespace to use (host|private)");
    flags.text(o.cgroup_parent, 0, "cgroup-parent", "Optional parent cgroup for the container");
    flags.list(o.sysctls, 0, "sysctl", "Sysctl options", "map");
    flags.list(o.ulimits, 0, "ulimit", "Ulimit options", "ulimit");
}

void declare_resources(ContainerOptions& o, Flags& flags) {
    size(flags, o.memory, 'm', "memory", "Memory limit");
    size(flags, o.memory_swap, 0, "memory-swap", "Swap limit equal to memory plus swap: '-1' to enable unlimited swap",
         true);
    size(flags, o.memory_reservation, 0, "memory-reservation", "Memory soft limit");
    flags.integer(o.memory_swappiness, 0, "memory-swappiness", "Tune container memory swappiness (0 to 100)");
    size(flags, o.shm_size, 0, "shm-size", "Size of /dev/shm");
    flags.custom(
        [&o](std::string_view value) -> Result<void> {
            GANTRY_TRY(o.nano_cpus, parse_cpus(value));
            return {};
        },
        0, "cpus", "decimal", "Number of CPUs");
    flags.integer(o.cpu_shares, 'c', "cpu-shares", "CPU shares (relative weight)");
    flags.integer(o.cpu_quota, 0, "cpu-quota", "Limit CPU CFS (Completely Fair Scheduler) quota");
    flags.integer(o.cpu_period, 0, "cpu-period", "Limit CPU CFS (Completely Fair Scheduler) period");
    flags.integer(o.cpu_rt_period, 0, "cpu-rt-period", "Limit CPU real-time period in microseconds");
    flags.integer(o.cpu_rt_runtime, 0, "cpu-rt-runtime", "Limit CPU real-time runtime in microseconds");
    flags.text(o.cpuset_cpus, 0, "cpuset-cpus", "CPUs in which to allow execution (0-3, 0,1)");
    flags.text(o.cpuset_mems, 0, "cpuset-mems", "MEMs in which to allow execution (0-3, 0,1)");
    flags.integer(o.pids_limit, 0, "pids-limit", "Tune container pids limit (set -1 for unlimited)");
    flags.integer(o.blkio_weight, 0, "blkio-weight",
                  "Block IO (relative weight), between 10 and 1000, or 0 to disable");
    flags.list(o.weight_devices, 0, "blkio-weight-device", "Block IO weight (relative device weight)");
    flags.list(o.read_bps, 0, "device-read-bps", "Limit read rate (bytes per second) from a device");
    flags.list(o.write_bps, 0, "device-write-bps", "Limit write rate (bytes per second) to a device");
    flags.list(o.read_iops, 0, "device-read-iops", "Limit read rate (IO per second) from a device");
    flags.list(o.write_iops, 0, "device-write-iops", "Limit write rate (IO per second) to a device");
    flags.integer(o.oom_score_adj, 0, "oom-score-adj", "Tune host's OOM preferences (-1000 to 1000)");
    flags.boolean(o.oom_kill_disable, 0, "oom-kill-disable", "Disable OOM Killer");
}

void declare_rest(ContainerOptions& o, Flags& flags) {
    flags.text(o.log_driver, 0, "log-driver", "Logging driver for the container");
    flags.list(o.log_options, 0, "log-opt", "Log driver options");
    flags.text(o.health_command, 0, "health-cmd", "Command to run to check health");
    duration(flags, o.health_interval, "health-interval", "Time between running the check (ms|s|m|h)");
    duration(flags, o.health_timeout, "health-timeout", "Maximum time to allow one check to run (ms|s|m|h)");
    duration(flags, o.health_start_period, "health-start-period",
             "Start period for the container to initialize before starting health-retries countdown (ms|s|m|h)");
    duration(flags, o.health_start_interval, "health-start-interval",
             "Time between running the check during the start period (ms|s|m|h)");
    flags.integer(o.health_retries, 0, "health-retries", "Consecutive failures needed to report unhealthy");
    flags.boolean(o.no_healthcheck, 0, "no-healthcheck", "Disable any container-specified HEALTHCHECK");
}

}  // namespace

void ContainerOptions::declare(Flags& flags) {
    declare_process(*this, flags);
    declare_identity(*this, flags);
    declare_network(*this, flags);
    declare_storage(*this, flags);
    declare_security(*this, flags);
    declare_resources(*this, flags);
    declare_rest(*this, flags);
}

}  // namespace gantry::cli
