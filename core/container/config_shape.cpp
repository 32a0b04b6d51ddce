#include "core/container/config_shape.hpp"

#include "core/container/health.hpp"
#include "core/container/port_spec.hpp"
#include "core/store/members.hpp"

namespace gantry::container {
namespace {

enum class Kind { text = 1, flag, number, texts, numbers, text_map, object, objects };

// What a member may be beside the type of its default; `nullable` where the default is null.
struct Rule {
    const char* name;
    Kind kind;
    bool nullable = false;
};

constexpr Rule config_rules[] = {
    {"Hostname", Kind::text},
    {"Domainname", Kind::text},
    {"User", Kind::text},
    {"AttachStdin", Kind::flag},
    {"AttachStdout", Kind::flag},
    {"AttachStderr", Kind::flag},
    {"ExposedPorts", Kind::object},
    {"Tty", Kind::flag},
    {"OpenStdin", Kind::flag},
    {"StdinOnce", Kind::flag},
    {"Env", Kind::texts},
    {"Cmd", Kind::texts, true},
    {"Image", Kind::text},
    {"Volumes", Kind::object},
    {"WorkingDir", Kind::text},
    {"Entrypoint", Kind::texts, true},
    {"OnBuild", Kind::texts, true},
    {"Labels", Kind::text_map},
    {"StopSignal", Kind::text},
    {"StopTimeout", Kind::number},
    {"Healthcheck", Kind::object},
    {"Shell", Kind::texts},
    {"NetworkDisabled", Kind::flag},
};

constexpr Rule host_config_rules[] = {
    {"Binds", Kind::texts, true},
    {"ContainerIDFile", Kind::text},
    {"LogConfig", Kind::object},
    {"NetworkMode", Kind::text},
    {"PortBindings", Kind::object},
    {"RestartPolicy", Kind::object},
    {"AutoRemove", Kind::flag},
    {"VolumeDriver", Kind::text},
    {"VolumesFrom", Kind::texts, true},
    {"Mounts", Kind::objects},
    {"ConsoleSize", Kind::numbers},
    {"Annotations", Kind::text_map},
    {"CapAdd", Kind::texts, true},
    {"CapDrop", Kind::texts, true},
    {"CgroupnsMode", Kind::text},
    {"Dns", Kind::texts},
    {"DnsOptions", Kind::texts},
    {"DnsSearch", Kind::texts},
    {"ExtraHosts", Kind::texts, true},
    {"GroupAdd", Kind::texts, true},
    {"IpcMode", Kind::text},
    {"Links", Kind::texts, true},
    {"OomScoreAdj", Kind::number},
    {"PidMode", Kind::text},
    {"Privileged", Kind::flag},
    {"PublishAllPorts", Kind::flag},
    {"ReadonlyRootfs", Kind::flag},
    {"SecurityOpt", Kind::texts, true},
    {"Tmpfs", Kind::text_map},
    {"UTSMode", Kind::text},
    {"UsernsMode", Kind::text},
    {"ShmSize", Kind::number},
    {"Sysctls", Kind::text_map},
    {"Runtime", Kind::text},
    {"Isolation", Kind::text},
    {"Init", Kind::flag, true},
    {"CpuShares", Kind::number},
    {"Memory", Kind::number},
    {"NanoCpus", Kind::number},
    {"CgroupParent", Kind::text},
    {"BlkioWeight", Kind::number},
    {"BlkioWeightDevice", Kind::objects},
    {"BlkioDeviceReadBps", Kind::objects},
    {"BlkioDeviceWriteBps", Kind::objects},
    {"BlkioDeviceReadIOps", Kind::objects},
    {"BlkioDeviceWriteIOps", Kind::objects},
    {"CpuPeriod", Kind::number},
    {"CpuQuota", Kind::number},
    {"CpusetCpus", Kind::text},
    {"CpusetMems", Kind::text},
    {"Devices", Kind::objects},
    {"DeviceCgroupRules", Kind::texts, true},
    {"MemoryReservation", Kind::number},
    {"MemorySwap", Kind::number},
    {"MemorySwappiness", Kind::number, true},
    {"OomKillDisable", Kind::flag},
    {"PidsLimit", Kind::number, true},
    {"Ulimits", Kind::objects},
    {"MaskedPaths", Kind::texts, true},
    {"ReadonlyPaths", Kind::texts, true},
};

constexpr Rule log_rules[] = {{"Type", Kind::text}, {"Config", Kind::text_map, true}};
constexpr Rule restart_rules[] = {{"Name", Kind::text}, {"MaximumRetryCount", Kind::number}};
constexpr Rule ulimit_rules[] = {{"Name", Kind::text}, {"Soft", Kind::number}, {"Hard", Kind::number}};
constexpr Rule device_rules[] = {
    {"PathOnHost", Kind::text}, {"PathInContainer", Kind::text}, {"CgroupPermissions", Kind::text}};
constexpr Rule rate_rules[] = {{"Path", Kind::text}, {"Rate", Kind::number}};
constexpr Rule binding_rules[] = {{"HostIp", Kind::text}, {"HostPort", Kind::text}};

bool is_of(Kind kind, const Json& value) {
    switch (kind) {
    case Kind::text: return store::holds<std::string>(value);
    case Kind::flag: return store::holds<bool>(value);
    case Kind::number: return store::holds<std::int64_t>(value);
    case Kind::texts: return store::holds<std::vector<std::string>>(value);
    case Kind::numbers: return store::holds<std::vector<std::int64_t>>(value);
    case Kind::text_map: return store::holds<std::map<std::string, std::string>>(value);
    case Kind::object: return value.is_object();
    case Kind::objects:
        return value.is_array() &&
               std::all_of(value.begin(), value.end(), [](const Json& item) { return item.is_object(); });
    }
    return false;
}

const char* name_of(Kind kind) {
    switch (kind) {
    case Kind::text: return "a string";
    case Kind::flag: return "true or false";
    case Kind::number: return "a whole number";
    case Kind::texts: return "a list of strings";
    case Kind::numbers: return "a list of whole numbers";
    case Kind::text_map: return "an object of strings";
    case Kind::object: return "an object";
    case Kind::objects: return "a list of objects";
    }
    return "something else";
}

Result<void> check(const Json& object, std::span<const Rule> rules, const std::string& what) {
    for (const Rule& rule : rules) {
        auto found = object.find(rule.name);
        if (found == object.end() || (rule.nullable && found->is_null()) || is_of(rule.kind, *found)) continue;
        return fail(Code::invalid, what + "." + rule.name + ": expected " + name_of(rule.kind) + ", found " +
                                       std::string(found->is_structured() ? "another " : "") + found->type_name());
    }
    return {};
}

// A setting that is lost is not one that was never made: a container without its limits shall not start.
Result<void> check_complete(const Json& object, const Json& defaults, const char* what) {
    for (const auto& [key, unused] : defaults.items())
        if (!object.contains(key)) return fail(Code::invalid, std::string(what) + " has no \"" + key + "\"");
    return {};
}

Result<void> check_each(const Json& host, const char* name, std::span<const Rule> rules) {
    for (const Json& item : host.at(name)) GANTRY_CHECK(check(item, rules, std::string("HostConfig.") + name));
    return {};
}

Result<void> check_bindings(const Json& bindings) {
    for (const auto& [port, list] : bindings.items()) {
        if (list.is_null()) continue;
        const std::string what = "HostConfig.PortBindings." + port;
        if (!is_of(Kind::objects, list)) return fail(Code::invalid, what + ": expected " + name_of(Kind::objects));
        for (const Json& binding : list) GANTRY_CHECK(check(binding, binding_rules, what));
    }
    return {};
}

}  // namespace

const Json& config_defaults() {
    static const Json defaults = Json::parse(R"({
      "Hostname": "", "Domainname": "", "User": "", "AttachStdin": false, "AttachStdout": false, "AttachStderr": false,
      "ExposedPorts": {}, "Tty": false, "OpenStdin": false, "StdinOnce": false, "Env": [], "Cmd": null, "Image": "",
      "Volumes": {}, "WorkingDir": "", "Entrypoint": null, "OnBuild": null, "Labels": {}, "StopSignal": "" })");
    return defaults;
}

const Json& host_config_defaults() {
    static const Json defaults = Json::parse(R"({
      "Binds": null, "ContainerIDFile": "", "LogConfig": {"Type": "", "Config": {}}, "NetworkMode": "default", "PortBindings": {},
      "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0}, "AutoRemove": false, "VolumeDriver": "", "VolumesFrom": null,
      "Mounts": [], "ConsoleSize": [0, 0], "Annotations": {}, "CapAdd": null, "CapDrop": null, "CgroupnsMode": "private", "Dns": [],
      "DnsOptions": [], "DnsSearch": [], "ExtraHosts": null, "GroupAdd": null, "IpcMode": "private", "Cgroup": "", "Links": null,
      "OomScoreAdj": 0, "PidMode": "", "Privileged": false, "PublishAllPorts": false, "ReadonlyRootfs": false,
      "SecurityOpt": null, "StorageOpt": {}, "Tmpfs": {}, "UTSMode": "", "UsernsMode": "", "ShmSize": 0, "Sysctls": {},
      "Runtime": "", "Isolation": "", "Init": null, "CpuShares": 0, "Memory": 0, "NanoCpus": 0, "CgroupParent": "",
      "BlkioWeight": 0, "BlkioWeightDevice": [], "BlkioDeviceReadBps": [], "BlkioDeviceWriteBps": [], "BlkioDeviceReadIOps": [],
      "BlkioDeviceWriteIOps": [], "CpuPeriod": 0, "CpuQuota": 0, "CpuRealtimePeriod": 0, "CpuRealtimeRuntime": 0,
      "CpusetCpus": "", "CpusetMems": "", "Devices": [], "DeviceCgroupRules": null, "DeviceRequests": null,
      "MemoryReservation": 0, "MemorySwap": 0, "MemorySwappiness": null, "OomKillDisable": false, "PidsLimit": null,
      "Ulimits": [], "CpuCount": 0, "CpuPercent": 0, "IOMaximumIOps": 0, "IOMaximumBandwidth": 0,
      "MaskedPaths": null, "ReadonlyPaths": null })");
    return defaults;
}

Result<Json> completed(const Json& given, const Json& defaults, const char* what) {
    Json result = defaults;
    if (given.is_null()) return result;
    if (!given.is_object()) return fail(Code::invalid, std::string(what) + " must be an object");
    for (auto& [key, value] : result.items()) {
        auto found = given.find(key);
        if (found == given.end() || found->is_null()) continue;
        bool same = value.is_null() || found->type() == value.type() || (found->is_number() && value.is_number());
        if (!same)
            return fail(Code::invalid, std::string(what) + "." + key + ": expected " + value.type_name() + ", found " +
                                           found->type_name());
        value = *found;
    }
    return result;
}

Result<void> check_shape(const Json& config, const Json& host, const Json& endpoints) {
    GANTRY_CHECK(check_complete(config, config_defaults(), "Config"));
    GANTRY_CHECK(check_complete(host, host_config_defaults(), "HostConfig"));
    GANTRY_CHECK(check(config, config_rules, "Config"));
    GANTRY_CHECK(check(host, host_config_rules, "HostConfig"));
    GANTRY_CHECK(check(host.at("LogConfig"), log_rules, "HostConfig.LogConfig"));
    GANTRY_CHECK(check(host.at("RestartPolicy"), restart_rules, "HostConfig.RestartPolicy"));
    GANTRY_CHECK(check_each(host, "Ulimits", ulimit_rules));
    GANTRY_CHECK(check_each(host, "Devices", device_rules));
    for (const char* rates :
         {"BlkioDeviceReadBps", "BlkioDeviceWriteBps", "BlkioDeviceReadIOps", "BlkioDeviceWriteIOps"})
        GANTRY_CHECK(check_each(host, rates, rate_rules));
    GANTRY_CHECK(check_bindings(host.at("PortBindings")));
    GANTRY_CHECK(check_ports(config, host));
    GANTRY_CHECK(read_health_check(config));
    for (const auto& [network, settings] : endpoints.items())
        if (!settings.is_object() && !settings.is_null())
            return fail(Code::invalid, "EndpointsConfig." + network + ": expected an object");
    return {};
}

}  // namespace gantry::container
