#include "core/daemon/api/info.hpp"

#include <cstdlib>

#include "core/base/clock.hpp"
#include "core/base/files.hpp"
#include "core/daemon/api/host_facts.hpp"
#include "core/daemon/http/target.hpp"
#include "core/image/registry/names.hpp"

namespace gantry::daemon {
namespace {

Json driver_names(const std::vector<driver::Found>& found, std::string_view kind) {
    Json names = Json::array();
    for (const driver::Found& one : found)
        if (one.kind == kind && one.problem.empty()) names.push_back(one.name);
    return names;
}

// As the configuration has them. What it says nothing of holds TLS with a good certificate, but for what is on loopback.
Json registries(const config::Registries& configured) {
    std::map<std::string, config::RegistryHost> hosts = configured.hosts;
    const std::string& standard = image::registry::default_host();
    hosts.try_emplace(standard);
    Json all = Json::object();
    for (const auto& [name, host] : hosts)
        all[name] = {{"Name", name},
                     {"Mirrors", host.mirrors},
                     {"Secure", !host.http && !host.insecure.value_or(false)},
                     {"Official", name == standard}};
    return {{"InsecureRegistryCIDRs", {"::1/128", "127.0.0.0/8"}},
            {"IndexConfigs", all},
            {"Mirrors", hosts[standard].mirrors}};
}

Json runtimes(Deps& deps) {
    Json names = Json::object();
    auto known = deps.runtime_drivers();
    if (!known || !known->is_array()) return names;
    for (const Json& one : *known) {
        if (!one.is_object() || one.value("problem", "") != "") continue;
        names[one.value("name", "")] = {{"path", one.value("file", "")}};
    }
    return names;
}

Json warnings(const HostFacts& facts) {
    Json list = Json::array();
    if (!facts.memory_limit) list.push_back("WARNING: No memory limit support");
    if (!facts.swap_limit) list.push_back("WARNING: No swap limit support");
    if (!facts.cpu_quota) list.push_back("WARNING: No cpu cfs quota support");
    if (!facts.cpu_shares) list.push_back("WARNING: No cpu shares support");
    if (!facts.cpu_set) list.push_back("WARNING: No cpuset support");
    if (!facts.pids_limit) list.push_back("WARNING: No pids limit support");
    if (!facts.seccomp) list.push_back("WARNING: No seccomp support");
    if (!facts.ipv4_forwarding) list.push_back("WARNING: IPv4 forwarding is disabled");
    return list;
}

std::string from_environment(const char* upper, const char* lower) {
    const char* value = std::getenv(upper);
    if (!value) value = std::getenv(lower);
    return value ? value : "";
}

void add_host(Json& info, const HostFacts& facts) {
    info["MemoryLimit"] = facts.memory_limit;
    info["SwapLimit"] = facts.swap_limit;
    info["CpuCfsPeriod"] = facts.cpu_quota;
    info["CpuCfsQuota"] = facts.cpu_quota;
    info["CPUShares"] = facts.cpu_shares;
    info["CPUSet"] = facts.cpu_set;
    info["PidsLimit"] = facts.pids_limit;
    info["OomKillDisable"] = facts.oom_kill_disable;
    info["IPv4Forwarding"] = facts.ipv4_forwarding;
    info["CgroupDriver"] = "cgroupfs";
    info["CgroupVersion"] = std::to_string(facts.cgroup_version);
    info["KernelVersion"] = facts.kernel;
    info["OperatingSystem"] = facts.system;
    info["OSVersion"] = facts.system_version;
    info["OSType"] = "linux";
    info["Architecture"] = facts.machine;
    info["NCPU"] = facts.processors;
    info["MemTotal"] = facts.memory_bytes;
    info["Name"] = facts.name;
    info["Warnings"] = warnings(facts);
    info["SecurityOptions"] =
        facts.seccomp ? Json{"name=seccomp,profile=builtin", "name=cgroupns"} : Json{"name=cgroupns"};
}

void add_drivers(Json& info, Deps& deps, const config::Config& config) {
    const std::vector<driver::Found> found = deps.drivers.list();
    info["Plugins"] = {{"Volume", driver_names(found, "volume")},
                       {"Network", driver_names(found, "network")},
                       {"Authorization", nullptr},
                       {"Log", {"json-file", "local", "none"}}};
    info["Driver"] = config.defaults.layer;
    info["DriverStatus"] = Json::array();
    info["DefaultRuntime"] = config.defaults.runtime;
    info["Runtimes"] = runtimes(deps);
    info["LoggingDriver"] = config.log.driver;
}

}  // namespace

Json system_info(Deps& deps) {
    const ContainerCounts counts = deps.container_counts();
    const auto config = deps.config.get();
    const bool debug = config->log_level == "debug";
    Json pools = Json::array();
    for (const auto& [base, size] : config->address_pools) pools.push_back({{"Base", base}, {"Size", size}});
    Json info{{"ID", deps.id},
              {"Containers", counts.total},
              {"ContainersRunning", counts.running},
              {"ContainersPaused", counts.paused},
              {"ContainersStopped", counts.stopped},
              {"Images", deps.images.list().size()},
              {"DockerRootDir", deps.root},
              {"Debug", debug},
              {"SystemTime", rfc3339(wall_clock_ns())},
              {"NEventsListener", deps.events.subscribers()},
              {"IndexServerAddress", image::registry::default_search_endpoint() + "/v1/"},
              {"RegistryConfig", registries(config->registries)},
              {"GenericResources", nullptr},
              {"HttpProxy", from_environment("HTTP_PROXY", "http_proxy")},
              {"HttpsProxy", from_environment("HTTPS_PROXY", "https_proxy")},
              {"NoProxy", from_environment("NO_PROXY", "no_proxy")},
              {"Labels", Json::array()},
              {"ExperimentalBuild", false},
              {"ServerVersion", engine_version},
              {"Swarm",
               {{"NodeID", ""},
                {"NodeAddr", ""},
                {"LocalNodeState", "inactive"},
                {"ControlAvailable", false},
                {"Error", ""},
                {"RemoteManagers", nullptr}}},
              {"LiveRestoreEnabled", true},  // containers outlive the engine
              {"Isolation", ""},
              {"InitBinary", ""},
              {"ContainerdCommit", {{"ID", ""}}},
              {"RuncCommit", {{"ID", ""}}},
              {"InitCommit", {{"ID", ""}}},
              {"DefaultAddressPools", pools},
              {"CDISpecDirs", Json::array()}};
    if (debug)
        if (auto open = list_directory("/proc/self/fd")) info["NFd"] = open->size();
    add_host(info, read_host_facts());
    add_drivers(info, deps, *config);
    return info;
}

Json system_version() {
    const HostFacts facts = read_host_facts();
    const std::string newest(http::newest_version), oldest(http::oldest_version);
    Json details{
        {"ApiVersion", newest},          {"MinAPIVersion", oldest}, {"Os", "linux"},   {"Arch", facts.architecture},
        {"KernelVersion", facts.kernel}, {"GitCommit", ""},         {"GoVersion", ""}, {"BuildTime", ""},
        {"Experimental", "false"}};
    return {{"Platform", {{"Name", "Gantry"}}},
            {"Components", {{{"Name", "Engine"}, {"Version", engine_version}, {"Details", details}}}},
            {"Version", engine_version},
            {"ApiVersion", newest},
            {"MinAPIVersion", oldest},
            {"GitCommit", ""},
            {"GoVersion", ""},
            {"BuildTime", ""},
            {"Os", "linux"},
            {"Arch", facts.architecture},
            {"KernelVersion", facts.kernel}};
}

}  // namespace gantry::daemon
