// config.json (OCI runtime spec 1.0 to 1.2) as typed data. What it asks for and this runtime cannot do is refused.
#pragma once
#include <sys/types.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gantry/json.hpp>
#include <gantry/result.hpp>

namespace gantry::native {

inline constexpr std::int64_t unset = INT64_MIN;

struct User {
    uid_t uid = 0;
    gid_t gid = 0;
    std::vector<gid_t> groups;
    mode_t umask = 0022;
};

// As masks of capability numbers.
struct CapabilitySets {
    std::uint64_t bounding = 0, effective = 0, permitted = 0, inheritable = 0, ambient = 0;
};

struct Rlimit {
    int resource = 0;
    std::string name;
    std::uint64_t soft = 0, hard = 0;
};

struct ProcessSpec {
    std::vector<std::string> arguments, environment;
    std::string cwd = "/";
    User user;
    CapabilitySets capabilities;
    std::vector<Rlimit> rlimits;
    bool no_new_privileges = false;
    std::int64_t oom_score_adj = unset;
    int rows = 0, columns = 0;
};

struct MountSpec {
    std::string destination, type, source;
    std::vector<std::string> options;
};

enum class NamespaceKind { pid, network, mount, ipc, uts, user, cgroup, time };
inline constexpr std::size_t namespace_kinds = 8;
// absent: the host's (the monitor's).
struct NamespaceSpec {
    enum class Mode { absent, fresh, path } mode = Mode::absent;
    std::string path;
};

struct IdMapping {
    std::uint32_t inside = 0, outside = 0, count = 0;
};

struct DeviceSpec {
    char type = 'c';  // c, b or p
    std::string path;
    unsigned major = 0, minor = 0;
    mode_t mode = 0666;
    uid_t uid = 0;
    gid_t gid = 0;
};

struct DeviceRule {
    bool allow = false;
    char type = 'a';                      // a, c or b
    std::int64_t major = -1, minor = -1;  // -1: every
    std::string access = "rwm";
};

struct ThrottleDevice {
    std::string file;  // the v1 file's name without "blkio.throttle.": "read_bps_device"
    std::int64_t major = 0, minor = 0, rate = 0;
};

// `unset` where nothing was asked.
struct Resources {
    std::vector<DeviceRule> devices;
    bool has_devices = false;
    std::int64_t memory_limit = unset, memory_reservation = unset, memory_swap = unset, swappiness = unset;
    bool oom_kill_disable = false, has_oom_kill_disable = false;
    std::int64_t cpu_shares = unset, cpu_quota = unset, cpu_burst = unset, cpu_period = unset, cpu_idle = unset;
    std::int64_t rt_runtime = unset, rt_period = unset;
    std::string cpus, mems;
    std::int64_t pids_limit = unset;
    std::int64_t blkio_weight = unset;
    std::vector<ThrottleDevice> throttle;
    std::vector<std::pair<std::string, std::int64_t>> huge_pages;  // "2MB", bytes
    std::vector<std::pair<std::string, std::string>> unified;
};

struct Spec {
    std::string hostname, domainname;
    bool root_read_only = false, init = false;
    ProcessSpec process;
    std::vector<MountSpec> mounts;
    std::array<NamespaceSpec, namespace_kinds> namespaces;
    std::vector<IdMapping> uid_map, gid_map;
    std::vector<DeviceSpec> devices;
    std::string cgroups_path, root_propagation;
    Resources resources;
    Json seccomp;  // null: none
    std::vector<std::pair<std::string, std::string>> sysctls;
    std::vector<std::string> masked, read_only;
    std::int64_t personality = unset;

    const NamespaceSpec& at(NamespaceKind kind) const { return namespaces[static_cast<std::size_t>(kind)]; }
    bool fresh(NamespaceKind kind) const { return at(kind).mode == NamespaceSpec::Mode::fresh; }
};

// The whole of config.json.
Result<Spec> parse_spec(std::string_view text);
// A process object of its own, as exec gets it. `where` begins error texts.
Result<ProcessSpec> parse_process(const Json& json, const std::string& where);
// A linux.resources object.
Result<Resources> parse_resources(const Json& json, const std::string& where);

}  // namespace gantry::native
