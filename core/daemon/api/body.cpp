#include "core/daemon/api/body.hpp"

#include <cstdint>

#include "core/base/text.hpp"

namespace gantry::daemon {
namespace {

const char* words_for(const Json& value) {
    switch (value.type()) {
    case Json::value_t::null: return "null";
    case Json::value_t::object: return "an object";
    case Json::value_t::array: return "a list";
    case Json::value_t::string: return "a string";
    case Json::value_t::boolean: return "a boolean";
    case Json::value_t::number_float: return "a fraction";
    default: return "a number";
    }
}

Error wrong(const std::string& where, const char* expected, const Json& found) {
    return fail(Code::invalid, where + ": expected " + expected + ", found " + words_for(found));
}

// The name of a member of `where`. Those of a map are the client's: control characters as \u00XX.
std::string below(const std::string& where, const std::string& name) {
    const std::string quoted = quote_json(name), shown = quoted.substr(1, quoted.size() - 2);
    return where.empty() ? shown : where + "." + shown;
}

bool is_whole(const Json& value) {
    return value.is_number_integer() && (!value.is_number_unsigned() || value.get<std::uint64_t>() <= INT64_MAX);
}

Result<void> settle_list(Json& value, const Json& inner, const std::string& where) {
    if (!value.is_array()) return wrong(where, "a list", value);
    for (std::size_t i = 0; i < value.size(); ++i)
        GANTRY_CHECK(settle_types(value[i], inner, where + "[" + std::to_string(i) + "]"));
    return {};
}

Result<void> settle_map(Json& value, const Json& inner, const std::string& where) {
    if (!value.is_object()) return wrong(where, "an object", value);
    for (auto& [name, member] : value.items())
        // Nothing more is said of {"80/tcp": null} than its name; a label must have a text.
        if (!member.is_null() || !inner.is_structured()) GANTRY_CHECK(settle_types(member, inner, below(where, name)));
    return {};
}

Result<void> settle_object(Json& value, const Json& shape, const std::string& where) {
    if (!value.is_object()) return wrong(where, "an object", value);
    for (const auto& [name, inner] : shape.items()) {
        auto found = value.find(name);
        if (found == value.end()) continue;
        if (found->is_null())
            value.erase(found);
        else
            GANTRY_CHECK(settle_types(*found, inner, below(where, name)));
    }
    return {};
}

// Of a container at one network.
constexpr const char* endpoint_text = R"({
    "IPAMConfig": {"IPv4Address": "text", "IPv6Address": "text", "LinkLocalIPs": ["text"]},
    "Links": ["text"], "Aliases": ["text"], "MacAddress": "text", "DriverOpts": {"*": "text"}, "GwPriority": "whole"})";

constexpr const char* config_text = R"({
    "Image": "text", "Cmd": "words", "Entrypoint": "words", "Shell": ["text"], "OnBuild": ["text"], "Env": ["text"],
    "Labels": {"*": "text"}, "Hostname": "text", "Domainname": "text", "User": "text", "WorkingDir": "text",
    "StopSignal": "text", "StopTimeout": "whole", "Tty": "flag", "OpenStdin": "flag", "StdinOnce": "flag",
    "AttachStdin": "flag", "AttachStdout": "flag", "AttachStderr": "flag", "ExposedPorts": {"*": {}}, "Volumes": {"*": {}},
    "NetworkDisabled": "flag", "ArgsEscaped": "flag",
    "Healthcheck": {"Test": ["text"], "Interval": "whole", "Timeout": "whole", "StartPeriod": "whole",
                    "StartInterval": "whole", "Retries": "whole"}})";

constexpr const char* host_config_text = R"({
    "Binds": ["text"], "VolumesFrom": ["text"], "VolumeDriver": "text", "Tmpfs": {"*": "text"}, "StorageOpt": {"*": "text"},
    "ContainerIDFile": "text", "NetworkMode": "text", "PublishAllPorts": "flag", "Links": ["text"],
    "PortBindings": {"*": [{"HostIp": "text", "HostPort": "text"}]}, "Dns": ["text"], "DnsOptions": ["text"],
    "DnsSearch": ["text"], "ExtraHosts": ["text"], "AutoRemove": "flag",
    "RestartPolicy": {"Name": "text", "MaximumRetryCount": "whole"}, "LogConfig": {"Type": "text", "Config": {"*": "text"}},
    "ConsoleSize": ["whole"], "Annotations": {"*": "text"}, "Runtime": "text", "Isolation": "text", "Init": "flag",
    "CapAdd": ["text"], "CapDrop": ["text"], "Privileged": "flag", "ReadonlyRootfs": "flag", "SecurityOpt": ["text"],
    "GroupAdd": ["text"], "MaskedPaths": ["text"], "ReadonlyPaths": ["text"], "Sysctls": {"*": "text"},
    "CgroupnsMode": "text", "IpcMode": "text", "PidMode": "text", "UTSMode": "text", "UsernsMode": "text",
    "Cgroup": "text", "CgroupParent": "text", "ShmSize": "whole", "OomScoreAdj": "whole", "OomKillDisable": "flag",
    "Memory": "whole", "MemorySwap": "whole", "MemoryReservation": "whole", "MemorySwappiness": "whole",
    "NanoCpus": "whole", "CpuShares": "whole", "CpuPeriod": "whole", "CpuQuota": "whole", "CpuRealtimePeriod": "whole",
    "CpuRealtimeRuntime": "whole", "CpusetCpus": "text", "CpusetMems": "text", "CpuCount": "whole", "CpuPercent": "whole",
    "IOMaximumIOps": "whole", "IOMaximumBandwidth": "whole", "PidsLimit": "whole", "BlkioWeight": "whole",
    "BlkioWeightDevice": [{"Path": "text", "Weight": "whole"}], "BlkioDeviceReadBps": [{"Path": "text", "Rate": "whole"}],
    "BlkioDeviceWriteBps": [{"Path": "text", "Rate": "whole"}], "BlkioDeviceReadIOps": [{"Path": "text", "Rate": "whole"}],
    "BlkioDeviceWriteIOps": [{"Path": "text", "Rate": "whole"}],
    "Ulimits": [{"Name": "text", "Soft": "whole", "Hard": "whole"}], "DeviceCgroupRules": ["text"], "DeviceRequests": [{}],
    "Devices": [{"PathOnHost": "text", "PathInContainer": "text", "CgroupPermissions": "text"}]})";

constexpr const char* mount_text = R"({
    "Type": "text", "Source": "text", "Target": "text", "ReadOnly": "flag", "Consistency": "text",
    "BindOptions": {"Propagation": "text", "NonRecursive": "flag", "CreateMountpoint": "flag",
                    "ReadOnlyNonRecursive": "flag", "ReadOnlyForceRecursive": "flag"},
    "VolumeOptions": {"NoCopy": "flag", "Labels": {"*": "text"}, "Subpath": "text",
                      "DriverConfig": {"Name": "text", "Options": {"*": "text"}}},
    "TmpfsOptions": {"SizeBytes": "whole", "Mode": "whole", "Options": [["text"]]}})";

const Json& endpoint_shape() {
    static const Json shape = Json::parse(endpoint_text);
    return shape;
}

}  // namespace

Result<void> settle_types(Json& value, const Json& shape, const std::string& where) {
    if (shape.is_array()) return settle_list(value, shape.at(0), where);
    if (shape.is_object()) {
        if (auto any = shape.find("*"); any != shape.end()) return settle_map(value, *any, where);
        return settle_object(value, shape, where);
    }
    if (shape == "text") return value.is_string() ? Result<void>() : wrong(where, "a string", value);
    if (shape == "flag") return value.is_boolean() ? Result<void>() : wrong(where, "true or false", value);
    if (shape == "words") return value.is_string() ? Result<void>() : settle_list(value, "text", where);
    return is_whole(value) ? Result<void>() : wrong(where, "a whole number", value);
}

Result<Json> read_body(const http::Request& request, const Json& shape) {
    GANTRY_TRY(Json body, request.json());
    GANTRY_CHECK(settle_types(body, shape));
    return body;
}

const Json& config_shape() {
    static const Json shape = Json::parse(config_text);
    return shape;
}

const Json& create_shape() {
    static const Json shape = [] {
        Json made = Json::parse(config_text);
        made["HostConfig"] = Json::parse(host_config_text);
        made["HostConfig"]["Mounts"] = Json::array({Json::parse(mount_text)});
        made["NetworkingConfig"]["EndpointsConfig"]["*"] = endpoint_shape();
        return made;
    }();
    return shape;
}

const Json& update_shape() {
    static const Json shape = Json::parse(R"({
        "RestartPolicy": {"Name": "text", "MaximumRetryCount": "whole"},
        "Memory": "whole", "MemorySwap": "whole", "MemoryReservation": "whole", "NanoCpus": "whole", "CpuShares": "whole",
        "CpuPeriod": "whole", "CpuQuota": "whole", "CpuRealtimePeriod": "whole", "CpuRealtimeRuntime": "whole",
        "CpusetCpus": "text", "CpusetMems": "text", "PidsLimit": "whole", "BlkioWeight": "whole",
        "PublishAdd": {"*": [{"HostIp": "text", "HostPort": "text"}]},
        "PublishRm": {"*": [{"HostIp": "text", "HostPort": "text"}]}})");
    return shape;
}

const Json& exec_shape() {
    static const Json shape = Json::parse(R"({
        "Cmd": ["text"], "Env": ["text"], "User": "text", "WorkingDir": "text", "DetachKeys": "text", "Tty": "flag",
        "Privileged": "flag", "AttachStdin": "flag", "AttachStdout": "flag", "AttachStderr": "flag",
        "ConsoleSize": ["whole"]})");
    return shape;
}

const Json& exec_start_shape() {
    static const Json shape = Json::parse(R"({"Detach": "flag", "Tty": "flag", "ConsoleSize": ["whole"]})");
    return shape;
}

const Json& network_shape() {
    static const Json shape = Json::parse(R"({
        "Name": "text", "Driver": "text", "Scope": "text", "Internal": "flag", "Attachable": "flag", "Ingress": "flag",
        "ConfigOnly": "flag", "ConfigFrom": {"Network": "text"}, "EnableIPv4": "flag", "EnableIPv6": "flag",
        "CheckDuplicate": "flag", "Options": {"*": "text"}, "Labels": {"*": "text"},
        "IPAM": {"Driver": "text", "Options": {"*": "text"},
                 "Config": [{"Subnet": "text", "IPRange": "text", "Gateway": "text", "AuxiliaryAddresses": {"*": "text"}}]}})");
    return shape;
}

const Json& connect_shape() {
    static const Json shape{{"Container", "text"}, {"EndpointConfig", endpoint_shape()}};
    return shape;
}

const Json& disconnect_shape() {
    static const Json shape{{"Container", "text"}, {"Force", "flag"}};
    return shape;
}

const Json& auth_shape() {
    static const Json shape{{"username", "text"},     {"password", "text"},      {"auth", "text"},
                            {"email", "text"},        {"serveraddress", "text"}, {"identitytoken", "text"},
                            {"registrytoken", "text"}};
    return shape;
}

}  // namespace gantry::daemon
