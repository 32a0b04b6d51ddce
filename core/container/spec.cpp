#include "core/container/spec.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <set>

#include "core/base/text.hpp"
#include "core/container/devices.hpp"

namespace gantry::container {
namespace {

// What /proc and /sys show of the host, or let one do to it: hidden, or read-only. The union of the field's lists
// (moby, podman, containerd).
const std::vector<std::string> masked_paths = {"/proc/acpi",
                                               "/proc/asound",
                                               "/proc/interrupts",
                                               "/proc/kcore",
                                               "/proc/keys",
                                               "/proc/latency_stats",
                                               "/proc/sched_debug",
                                               "/proc/scsi",
                                               "/proc/timer_list",
                                               "/proc/timer_stats",
                                               "/sys/devices/virtual/powercap",
                                               "/sys/firmware",
                                               "/sys/fs/bpf",
                                               "/sys/fs/selinux",
                                               "/sys/kernel/debug",
                                               "/sys/kernel/security",
                                               "/sys/kernel/tracing"};
const std::vector<std::string> readonly_paths = {"/proc/asound", "/proc/bus", "/proc/fs",
                                                 "/proc/irq",    "/proc/sys", "/proc/sysrq-trigger"};

constexpr std::string_view default_path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

std::string name_of_variable(const std::string& assignment) { return assignment.substr(0, assignment.find('=')); }

// `given` with what every process has unless it says otherwise. A name without "=" is taken away.
std::vector<std::string> environment(const Json& given, const std::string& hostname, const User& user, bool terminal) {
    std::vector<std::string> result;
    auto set = [&](const std::string& assignment) {
        std::string name = name_of_variable(assignment);
        std::erase_if(result, [&](const std::string& other) { return name_of_variable(other) == name; });
        if (assignment.find('=') != std::string::npos) result.push_back(assignment);
    };
    set(std::string(default_path));
    if (!hostname.empty()) set("HOSTNAME=" + hostname);
    if (terminal) set("TERM=xterm");
    if (given.is_array())
        for (const Json& item : given) set(item.get<std::string>());
    if (std::none_of(result.begin(), result.end(), [](const std::string& item) { return item.starts_with("HOME="); }))
        set("HOME=" + user.home);
    return result;
}

Json capability_sets(const std::vector<std::string>& capabilities, bool root) {
    // Inheritable and ambient stay empty (CVE-2022-24769); a user other than root has none in force.
    std::vector<std::string> none;
    const auto& active = root ? capabilities : none;
    return {{"bounding", capabilities},
            {"effective", active},
            {"permitted", active},
            {"inheritable", none},
            {"ambient", none}};
}

Json user_object(const User& user) {
    return {{"uid", user.uid}, {"gid", user.gid}, {"additionalGids", user.groups}, {"umask", 0022}};
}

bool no_new_privileges(const Container& c, const User& user, bool privileged) {
    auto options = read_security_options(c.host_config);
    if (options && options->no_new_privileges >= 0) return options->no_new_privileges == 1;
    return user.uid != 0 && !privileged;
}

std::string rlimit_name(const std::string& name) {
    std::string upper = "RLIMIT_";
    for (char c : name) upper += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    return upper;
}

Json rlimits(const Json& host) {
    // A core file of a container would be the host's, and no program needs more than this many descriptors; where the
    // machine gives fewer, that is no news at every start.
    rlimit own{};
    const bool limited = ::getrlimit(RLIMIT_NOFILE, &own) == 0 && own.rlim_max < 524288;
    const std::int64_t descriptors = limited ? static_cast<std::int64_t>(own.rlim_max) : 524288;
    std::map<std::string, std::pair<std::int64_t, std::int64_t>> limits = {
        {"core", {0, 0}}, {"nofile", {std::min<std::int64_t>(1024, descriptors), descriptors}}};
    for (const Json& limit : host["Ulimits"])
        limits[limit.value("Name", "")] = {limit.value("Soft", std::int64_t{0}), limit.value("Hard", std::int64_t{0})};
    Json list = Json::array();
    for (const auto& [name, values] : limits) {
        auto word = [](std::int64_t value) { return value < 0 ? UINT64_MAX : static_cast<std::uint64_t>(value); };
        list.push_back({{"type", rlimit_name(name)}, {"soft", word(values.first)}, {"hard", word(values.second)}});
    }
    return list;
}

Json resources(const Container& c, bool privileged) {
    const Json& host = c.host_config;
    auto number = [&](const char* key) { return host[key].get<std::int64_t>(); };
    Json memory = Json::object(), cpu = Json::object(), blkio = Json::object();
    if (number("Memory") > 0) memory["limit"] = number("Memory");
    if (number("MemorySwap") != 0) memory["swap"] = number("MemorySwap");
    if (number("MemoryReservation") > 0) memory["reservation"] = number("MemoryReservation");
    if (host["MemorySwappiness"].is_number_integer() && host["MemorySwappiness"] >= 0)
        memory["swappiness"] = host["MemorySwappiness"];
    if (host["OomKillDisable"].get<bool>()) memory["disableOOMKiller"] = true;
    if (number("CpuShares") > 0) cpu["shares"] = number("CpuShares");
    if (std::int64_t nano = number("NanoCpus"); nano > 0) {
        cpu["period"] = 100'000;
        cpu["quota"] = nano / 10'000;
    }
    if (number("CpuPeriod") > 0) cpu["period"] = number("CpuPeriod");
    if (number("CpuQuota") != 0) cpu["quota"] = number("CpuQuota");
    if (std::string set = host["CpusetCpus"]; !set.empty()) cpu["cpus"] = set;
    if (std::string set = host["CpusetMems"]; !set.empty()) cpu["mems"] = set;
    if (number("BlkioWeight") > 0) blkio["weight"] = number("BlkioWeight");
    constexpr std::pair<const char*, const char*> throttles[] = {{"BlkioDeviceReadBps", "throttleReadBpsDevice"},
                                                                 {"BlkioDeviceWriteBps", "throttleWriteBpsDevice"},
                                                                 {"BlkioDeviceReadIOps", "throttleReadIOPSDevice"},
                                                                 {"BlkioDeviceWriteIOps", "throttleWriteIOPSDevice"}};
    for (const auto& [from, to] : throttles)
        for (const Json& entry : host[from])
            if (auto device = device_number(entry.value("Path", "")))
                blkio[to].push_back({{"major", device->major},
                                     {"minor", device->minor},
                                     {"rate", entry.value("Rate", std::int64_t{0})}});
    Json result{{"devices", device_rules(host, privileged)}};
    if (!memory.empty()) result["memory"] = memory;
    if (!cpu.empty()) result["cpu"] = cpu;
    if (!blkio.empty()) result["blockIO"] = blkio;
    if (host["PidsLimit"].is_number_integer() && host["PidsLimit"] > 0) result["pids"] = {{"limit", host["PidsLimit"]}};
    return result;
}

Json kernel_mounts(const Container& c, bool privileged) {
    Json mounts = Json::array();
    auto add = [&](const char* type, const char* target, std::vector<std::string> options) {
        mounts.push_back({{"destination", target}, {"type", type}, {"source", type}, {"options", std::move(options)}});
    };
    const char* access = privileged ? "rw" : "ro";
    add("proc", "/proc", {"nosuid", "noexec", "nodev"});
    add("tmpfs", "/dev", {"nosuid", "strictatime", "mode=755", "size=65536k"});
    add("devpts", "/dev/pts", {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"});
    add("sysfs", "/sys", {"nosuid", "noexec", "nodev", access});
    add("cgroup", "/sys/fs/cgroup", {"nosuid", "noexec", "nodev", "relatime", access});
    add("mqueue", "/dev/mqueue", {"nosuid", "noexec", "nodev"});
    std::string ipc = c.host_config["IpcMode"];
    if (ipc == "host")
        mounts.push_back({{"destination", "/dev/shm"},
                          {"type", "bind"},
                          {"source", "/dev/shm"},
                          {"options", {"rbind", "nosuid", "noexec", "nodev"}}});
    else if (ipc != "none")
        add("tmpfs", "/dev/shm",
            {"nosuid", "noexec", "nodev", "mode=1777",
             "size=" + std::to_string(c.host_config["ShmSize"].get<std::int64_t>())});
    return mounts;
}

Json namespaces(const SpecInput& in) {
    Json list = Json::array({{{"type", "mount"}}});
    auto add = [&](const char* type, const std::string& how) {
        if (how == "host") return;
        Json entry{{"type", type}};
        if (!how.empty()) entry["path"] = how;
        list.push_back(entry);
    };
    add("pid", in.pid_namespace);
    add("ipc", in.ipc_namespace);
    add("uts", in.uts_namespace);
    if (in.network == NetworkNamespace::joined) list.push_back({{"type", "network"}});
    if (in.container->host_config["CgroupnsMode"] != "host") list.push_back({{"type", "cgroup"}});
    return list;
}

Json bind_options(const MountPoint& point) {
    Json options =
        Json::array({point.recursive ? "rbind" : "bind", point.propagation.empty() ? "rprivate" : point.propagation});
    options.push_back(point.writable ? "rw" : "ro");
    if (point.type == "image") options.push_back("nodev");
    return options;
}

}  // namespace

Result<SecurityOptions> read_security_options(const Json& host_config) {
    SecurityOptions result;
    const Json& list = host_config["SecurityOpt"];
    if (!list.is_array()) return result;
    for (const Json& item : list) {
        std::string text = item.is_string() ? item.get<std::string>() : "";
        std::size_t separator = text.find_first_of("=:");
        std::string key = text.substr(0, separator),
                    value = separator == std::string::npos ? "" : text.substr(separator + 1);
        if (key == "no-new-privileges") {
            if (value != "" && value != "true" && value != "false")
                return fail(Code::invalid, "invalid --security-opt: \"" + text + "\"");
            result.no_new_privileges = value == "false" ? 0 : 1;
        } else if (key == "seccomp") {
            if (value == "unconfined")
                result.unconfined_seccomp = true;
            else if (value != "builtin") {
                result.seccomp_profile = Json::parse(value, nullptr, false);
                if (!result.seccomp_profile.is_object())
                    return fail(Code::invalid, "opening seccomp profile failed: it is not a JSON object");
            }
        } else if (key == "systempaths" && value == "unconfined") {
            result.unconfined_paths = true;
        } else if ((key == "apparmor" && value == "unconfined") || (key == "label" && value == "disable")) {
            // What this machine does not have is already off.
        } else if (key == "apparmor" || key == "label") {
            return fail(Code::unsupported, "--security-opt " + text + ": this machine has no " +
                                               (key == "label" ? "SELinux" : "AppArmor"));
        } else {
            return fail(Code::invalid, "invalid --security-opt: \"" + text +
                                           "\", allowed: no-new-privileges, seccomp, systempaths, apparmor, label");
        }
    }
    return result;
}

Json resource_limits(const Container& container) {
    Json limits = resources(container, false);
    limits.erase("devices");
    // No limit is nothing to write at a start, but one that was there has to go.
    if (!limits.contains("pids")) limits["pids"] = {{"limit", -1}};
    return limits;
}

Spec build_spec(const SpecInput& in) {
    const Container& c = *in.container;
    const Json& host = c.host_config;
    bool privileged = host["Privileged"].get<bool>();
    auto security = read_security_options(host);
    bool open_paths = privileged || (security && security->unconfined_paths);

    Spec spec;
    std::vector<std::string> command{c.path};
    command.insert(command.end(), c.args.begin(), c.args.end());
    std::string directory = c.config["WorkingDir"];
    Json process{{"terminal", c.terminal()},
                 {"user", user_object(in.user)},
                 {"args", command},
                 {"env", environment(c.config["Env"], in.hostname, in.user, c.terminal())},
                 {"cwd", directory.empty() ? "/" : directory},
                 {"capabilities", capability_sets(in.capabilities, in.user.uid == 0)},
                 {"rlimits", rlimits(host)},
                 {"noNewPrivileges", no_new_privileges(c, in.user, privileged)},
                 {"oomScoreAdj", host["OomScoreAdj"]}};
    if (const Json& size = host["ConsoleSize"]; size.is_array() && size.size() == 2 && size[0] != 0)
        process["consoleSize"] = {{"height", size[0]}, {"width", size[1]}};

    Json mounts = kernel_mounts(c, privileged);
    std::vector<MountSource>& sources = spec.sources;
    for (std::size_t i = 0; i < mounts.size(); ++i)
        if (mounts[i]["type"] == "bind") sources.push_back({i, mounts[i]["source"], nullptr});
    // The engine's own files first: whatever the user mounts at the same place comes on top.
    auto own_file = [&](const std::string& path, const char* target) {
        if (path.empty()) return;
        sources.push_back({mounts.size(), path, nullptr});
        mounts.push_back(
            {{"destination", target}, {"type", "bind"}, {"source", path}, {"options", {"bind", "rprivate", "rw"}}});
    };
    own_file(in.resolv_file, "/etc/resolv.conf");
    own_file(in.hostname_file, "/etc/hostname");
    own_file(in.hosts_file, "/etc/hosts");
    for (const MountPoint& point : c.mounts) {
        if (point.type == "tmpfs") {
            std::vector<std::string> options = point.tmpfs_options;
            options.push_back(point.writable ? "rw" : "ro");
            mounts.push_back(
                {{"destination", point.destination}, {"type", "tmpfs"}, {"source", "tmpfs"}, {"options", options}});
            continue;
        }
        sources.push_back({mounts.size(), point.type == "bind" ? point.source : "", &point});
        mounts.push_back({{"destination", point.destination},
                          {"type", "bind"},
                          {"source", point.source},
                          {"options", bind_options(point)}});
    }

    Json linux_part{{"namespaces", namespaces(in)},
                    {"resources", resources(c, privileged)},
                    {"cgroupsPath", in.cgroup_path},
                    {"devices", device_nodes(host, privileged)},
                    {"sysctl", host["Sysctls"]},
                    {"rootfsPropagation", "rprivate"},
                    {"maskedPaths", host["MaskedPaths"].is_array() ? host["MaskedPaths"]
                                    : open_paths                   ? Json::array()
                                                                   : Json(masked_paths)},
                    {"readonlyPaths", host["ReadonlyPaths"].is_array() ? host["ReadonlyPaths"]
                                      : open_paths                     ? Json::array()
                                                                       : Json(readonly_paths)}};
    if (!in.seccomp.is_null()) linux_part["seccomp"] = in.seccomp;
    Json annotations = host["Annotations"].is_object() ? host["Annotations"] : Json::object();
    if (host["Init"].is_boolean() && host["Init"].get<bool>()) annotations["gantry.init"] = "1";

    spec.config = {{"ociVersion", "1.0.2"},
                   {"process", process},
                   {"root", {{"path", "rootfs"}, {"readonly", host["ReadonlyRootfs"]}}},
                   {"mounts", mounts},
                   {"linux", linux_part},
                   {"annotations", annotations}};
    if (in.uts_namespace.empty()) {
        spec.config["hostname"] = in.hostname;
        if (std::string domain = c.config["Domainname"]; !domain.empty()) spec.config["domainname"] = domain;
    }
    return spec;
}

Json exec_process(const Container& c, const Json& exec_config, const User& user,
                  const std::vector<std::string>& capabilities) {
    bool terminal = exec_config.value("Tty", false),
         privileged = exec_config.value("Privileged", false) || c.host_config["Privileged"].get<bool>();
    Json variables = Json::array();
    for (const Json* list : {&c.config["Env"], exec_config.contains("Env") ? &exec_config["Env"] : nullptr})
        if (list && list->is_array())
            for (const Json& item : *list) variables.push_back(item);
    std::string directory = exec_config.value("WorkingDir", "");
    if (directory.empty()) directory = c.config["WorkingDir"];
    return {{"terminal", terminal},
            {"user", user_object(user)},
            {"args", exec_config["Cmd"]},
            {"env", environment(variables, c.config["Hostname"], user, terminal)},
            {"cwd", directory.empty() ? "/" : directory},
            {"capabilities", capability_sets(capabilities, user.uid == 0)},
            {"rlimits", rlimits(c.host_config)},
            {"noNewPrivileges", no_new_privileges(c, user, privileged)},
            {"oomScoreAdj", c.host_config["OomScoreAdj"]}};
}

}  // namespace gantry::container
