#include <arpa/inet.h>

#include <algorithm>

#include "core/base/files.hpp"
#include "core/base/text.hpp"
#include "core/cli/container_options.hpp"
#include "core/cli/json_access.hpp"
#include "core/cli/key_values.hpp"
#include "core/cli/mounts.hpp"
#include "core/cli/ports.hpp"

namespace gantry::cli {
namespace {

Error invalid(std::string text) { return fail(Code::invalid, std::move(text)); }

// "invalid argument "x" for "-p, --publish" flag: why"
template <typename T>
Result<T> for_flag(Result<T> result, const std::string& value, const char* flag) {
    if (result) return result;
    return fail(result.error().code,
                "invalid argument \"" + value + "\" for \"" + flag + "\" flag: " + result.error().text);
}

void set_text(Json& object, const char* key, const std::string& value) {
    if (!value.empty()) object[key] = value;
}
void set_number(Json& object, const char* key, std::int64_t value) {
    if (value != 0) object[key] = value;
}
void set_flag(Json& object, const char* key, bool value) {
    if (value) object[key] = true;
}
void set_list(Json& object, const char* key, const std::vector<std::string>& values) {
    if (!values.empty()) object[key] = values;
}

class Builder {
public:
    Builder(const ContainerOptions& options, const Flags& flags) : o_(options), flags_(flags) {}

    Result<Json> build(const std::string& image, const std::vector<std::string>& command, bool attached) {
        GANTRY_CHECK(process(image, command, attached));
        GANTRY_CHECK(identity());
        GANTRY_CHECK(health());
        GANTRY_CHECK(ports());
        GANTRY_CHECK(networks());
        GANTRY_CHECK(names());
        GANTRY_CHECK(storage());
        GANTRY_CHECK(devices());
        GANTRY_CHECK(security());
        GANTRY_CHECK(resources());
        GANTRY_CHECK(logging());
        Json body = std::move(config_);
        body["HostConfig"] = std::move(host_);
        if (!endpoints_.empty()) body["NetworkingConfig"]["EndpointsConfig"] = std::move(endpoints_);
        return body;
    }

private:
    Result<void> process(const std::string& image, const std::vector<std::string>& command, bool attached) {
        config_["Image"] = image;
        set_list(config_, "Cmd", command);
        bool out = attached && o_.attach.empty(), error = out, in = attached && o_.interactive && o_.attach.empty();
        for (const std::string& word : o_.attach) {
            std::string stream = to_lower(word);
            if (stream == "stdin")
                in = true;
            else if (stream == "stdout")
                out = true;
            else if (stream == "stderr")
                error = true;
            else
                return invalid("invalid argument \"" + word +
                               "\" for \"-a, --attach\" flag: valid streams are STDIN, STDOUT and STDERR");
        }
        config_["AttachStdin"] = in;
        config_["AttachStdout"] = out;
        config_["AttachStderr"] = error;
        config_["OpenStdin"] = o_.interactive;
        config_["StdinOnce"] = o_.interactive && in;
        config_["Tty"] = o_.tty;
        if (flags_.given("entrypoint")) config_["Entrypoint"] = Json::array({o_.entrypoint});
        GANTRY_TRY(std::vector<std::string> environment, read_environment(o_.environment_files, o_.environment));
        set_list(config_, "Env", environment);
        set_text(config_, "WorkingDir", o_.workdir);
        set_text(config_, "User", o_.user);
        set_list(host_, "GroupAdd", o_.groups);
        set_flag(host_, "Init", o_.init);
        if (flags_.given("init")) host_["Init"] = o_.init;
        set_text(config_, "StopSignal", o_.stop_signal);
        if (flags_.given("stop-timeout")) config_["StopTimeout"] = o_.stop_timeout;
        if (!o_.restart.empty()) {
            GANTRY_TRY(host_["RestartPolicy"], for_flag(parse_restart(o_.restart), o_.restart, "--restart"));
            if (o_.remove && text_at(host_, "RestartPolicy", "Name") != "no" &&
                text_at(host_, "RestartPolicy", "Name") != "")
                return invalid("conflicting options: cannot specify both --restart and --rm");
        }
        set_flag(host_, "AutoRemove", o_.remove);
        return {};
    }

    Result<void> identity() {
        set_text(config_, "Hostname", o_.hostname);
        set_text(config_, "Domainname", o_.domainname);
        GANTRY_TRY(Json labels, read_labels(o_.label_files, o_.labels));
        if (!labels.empty()) config_["Labels"] = std::move(labels);
        GANTRY_TRY(Json annotations, key_values(o_.annotations, "--annotation"));
        if (!annotations.empty()) host_["Annotations"] = std::move(annotations);
        set_text(host_, "Runtime", o_.runtime);
        if (o_.pull != "always" && o_.pull != "missing" && o_.pull != "never")
            return invalid("invalid pull option: '" + o_.pull +
                           "': must be one of \"always\", \"missing\" or \"never\"");
        return {};
    }

    Result<void> health() {
        bool given = !o_.health_command.empty() || o_.health_interval || o_.health_timeout || o_.health_start_period ||
                     o_.health_start_interval || o_.health_retries;
        if (o_.no_healthcheck) {
            if (given) return invalid("--no-healthcheck conflicts with --health-* options");
            config_["Healthcheck"]["Test"] = Json::array({"NONE"});
            return {};
        }
        if (!given) return {};
        for (const auto& [value, name] :
             {std::pair(o_.health_interval, "--health-interval"), std::pair(o_.health_timeout, "--health-timeout"),
              std::pair(o_.health_retries, "--health-retries"),
              std::pair(o_.health_start_period, "--health-start-period"),
              std::pair(o_.health_start_interval, "--health-start-interval")})
            if (value < 0) return invalid(std::string(name) + " cannot be negative");
        Json& check = config_["Healthcheck"];
        check = Json::object();
        if (!o_.health_command.empty()) check["Test"] = Json::array({"CMD-SHELL", o_.health_command});
        set_number(check, "Interval", o_.health_interval);
        set_number(check, "Timeout", o_.health_timeout);
        set_number(check, "StartPeriod", o_.health_start_period);
        set_number(check, "StartInterval", o_.health_start_interval);
        set_number(check, "Retries", o_.health_retries);
        return {};
    }

    Result<void> ports() {
        Json exposed = Json::object(), bindings = Json::object();
        for (const std::string& word : o_.publish) {
            GANTRY_TRY(auto mappings, for_flag(parse_publish(word), word, "-p, --publish"));
            for (const PortMapping& mapping : mappings) {
                exposed[mapping.container] = Json::object();
                bindings[mapping.container].push_back(
                    Json{{"HostIp", mapping.host_address}, {"HostPort", mapping.host_port}});
            }
        }
        for (const std::string& word : o_.expose) {
            GANTRY_TRY(auto ports, parse_expose(word));
            for (const std::string& port : ports) exposed[port] = Json::object();
        }
        if (!exposed.empty()) config_["ExposedPorts"] = std::move(exposed);
        if (!bindings.empty()) host_["PortBindings"] = std::move(bindings);
        set_flag(host_, "PublishAllPorts", o_.publish_all);
        return {};
    }

    // "name", or "name=net,alias=a,ip=..."
    Result<std::pair<std::string, Json>> network(const std::string& word) {
        Json settings = Json::object();
        if (word.find("name=") != 0 && word.find(",name=") == std::string::npos) return std::pair(word, settings);
        std::string name;
        GANTRY_TRY(std::vector<std::string> fields, split_csv(word));
        for (const std::string& field : fields) {
            std::size_t equals = field.find('=');
            std::string key = to_lower(field.substr(0, equals));
            if (equals == std::string::npos) return invalid("invalid network: invalid field " + field);
            std::string value = field.substr(equals + 1);
            if (key == "name")
                name = value;
            else if (key == "alias")
                settings["Aliases"].push_back(value);
            else if (key == "ip")
                settings["IPAMConfig"]["IPv4Address"] = value;
            else if (key == "ip6")
                settings["IPAMConfig"]["IPv6Address"] = value;
            else if (key == "mac-address")
                settings["MacAddress"] = value;
            else if (key == "link-local-ip")
                settings["IPAMConfig"]["LinkLocalIPs"].push_back(value);
            else if (key == "driver-opt")
                settings["DriverOpts"][value.substr(0, value.find('='))] =
                    value.find('=') == std::string::npos ? std::string() : value.substr(value.find('=') + 1);
            else if (key == "gw-priority" && parse_int(value))
                settings["GwPriority"] = *parse_int(value);
            else
                return invalid("invalid network: invalid field value for " + key + ": \"" + value + "\"");
        }
        if (name.empty()) return invalid("network name/id is not specified");
        return std::pair(name, settings);
    }

    Result<void> networks() {
        std::vector<std::pair<std::string, Json>> wishes;
        for (const std::string& word : o_.networks) {
            GANTRY_TRY(auto wish, network(word));
            wishes.push_back(std::move(wish));
        }
        bool further = !o_.aliases.empty() || !o_.network_ip.empty() || !o_.network_ip6.empty() ||
                       !o_.mac_address.empty() || !o_.link_local_ips.empty();
        if (wishes.empty() && further) wishes.emplace_back("default", Json::object());
        if (!wishes.empty()) {
            Json& first = wishes[0].second;
            for (const std::string& alias : o_.aliases) first["Aliases"].push_back(alias);
            set_address(first, "IPv4Address", o_.network_ip);
            set_address(first, "IPv6Address", o_.network_ip6);
            if (!o_.link_local_ips.empty()) first["IPAMConfig"]["LinkLocalIPs"] = o_.link_local_ips;
            set_text(first, "MacAddress", o_.mac_address);
            host_["NetworkMode"] = wishes[0].first;
        }
        for (auto& [name, settings] : wishes) {
            bool special = name == "none" || name.starts_with("container:");
            if (special && wishes.size() > 1)
                return invalid(
                    "conflicting options: cannot attach both user-defined and non-user-defined network-modes");
            if (endpoints_.contains(name)) return invalid("network \"" + name + "\" is specified multiple times");
            if (wishes.size() > 1 || !settings.empty()) endpoints_[name] = std::move(settings);
        }
        set_list(host_, "Links", o_.links);
        return {};
    }
    static void set_address(Json& settings, const char* key, const std::string& value) {
        if (!value.empty()) settings["IPAMConfig"][key] = value;
    }

    Result<void> names() {
        for (const std::string& address : o_.dns) {
            in6_addr space{};
            if (::inet_pton(AF_INET, address.c_str(), &space) != 1 &&
                ::inet_pton(AF_INET6, address.c_str(), &space) != 1)
                return invalid("invalid argument \"" + address + "\" for \"--dns\" flag: " + address +
                               " is not an ip address");
        }
        set_list(host_, "Dns", o_.dns);
        set_list(host_, "DnsSearch", o_.dns_search);
        set_list(host_, "DnsOptions", o_.dns_options);
        for (const std::string& word : o_.extra_hosts) {
            GANTRY_TRY(std::string host, for_flag(parse_extra_host(word), word, "--add-host"));
            host_["ExtraHosts"].push_back(host);
        }
        return {};
    }

    Result<void> storage() {
        for (const std::string& word : o_.volumes) {
            GANTRY_TRY(VolumeArgument volume, parse_volume(word));
            if (volume.anonymous)
                config_["Volumes"][volume.text] = Json::object();
            else
                host_["Binds"].push_back(volume.text);
        }
        for (const std::string& word : o_.mounts) {
            GANTRY_TRY(Json mount, for_flag(parse_mount(word), word, "--mount"));
            host_["Mounts"].push_back(std::move(mount));
        }
        for (const std::string& word : o_.tmpfs) {
            std::size_t colon = word.find(':');
            host_["Tmpfs"][word.substr(0, colon)] = colon == std::string::npos ? std::string() : word.substr(colon + 1);
        }
        set_list(host_, "VolumesFrom", o_.volumes_from);
        set_text(host_, "VolumeDriver", o_.volume_driver);
        set_flag(host_, "ReadonlyRootfs", o_.read_only);
        GANTRY_TRY(Json options, key_values(o_.storage_options, "--storage-opt"));
        if (!options.empty()) host_["StorageOpt"] = std::move(options);
        set_number(host_, "ShmSize", o_.shm_size);
        return {};
    }

    Result<void> devices() {
        if (flags_.given("gpus"))
            return fail(Code::unsupported, "--gpus is not supported: name the devices with --device");
        Json cdi = Json::array();
        for (const std::string& word : o_.devices) {
            if (is_cdi_device(word)) {
                cdi.push_back(word);
                continue;
            }
            GANTRY_TRY(Json device, for_flag(parse_device(word), word, "--device"));
            host_["Devices"].push_back(std::move(device));
        }
        if (!cdi.empty()) host_["DeviceRequests"].push_back(Json{{"Driver", "cdi"}, {"DeviceIDs", cdi}});
        set_list(host_, "DeviceCgroupRules", o_.device_rules);
        return {};
    }

    Result<void> security() {
        set_flag(host_, "Privileged", o_.privileged);
        set_list(host_, "CapAdd", o_.cap_add);
        set_list(host_, "CapDrop", o_.cap_drop);
        std::vector<std::string> options;
        for (std::string word : o_.security) {
            if (word == "systempaths=unconfined") {
                host_["MaskedPaths"] = Json::array();
                host_["ReadonlyPaths"] = Json::array();
                continue;
            }
            std::size_t at = word.find('=');
            if (at == std::string::npos && word != "no-new-privileges") {
                at = word.find(':');
                if (at == std::string::npos) return invalid("invalid --security-opt: \"" + word + "\"");
                word[at] = '=';
            }
            if (word.starts_with("seccomp=") && word != "seccomp=unconfined" && word != "seccomp=builtin") {
                std::string path = word.substr(8);
                auto profile = read_file(path, 4u << 20);
                if (!profile) return invalid("opening seccomp profile (" + path + ") failed: " + profile.error().text);
                Json document = parse_json(*profile);
                if (document.is_discarded())
                    return invalid("compacting json for seccomp profile (" + path + ") failed: it is not JSON");
                word = "seccomp=" + document.dump();
            }
            options.push_back(std::move(word));
        }
        set_list(host_, "SecurityOpt", options);
        set_text(host_, "UsernsMode", o_.userns);
        set_text(host_, "PidMode", o_.pid);
        set_text(host_, "IpcMode", o_.ipc);
        set_text(host_, "UTSMode", o_.uts);
        set_text(host_, "CgroupnsMode", o_.cgroupns);
        set_text(host_, "CgroupParent", o_.cgroup_parent);
        GANTRY_TRY(Json sysctls, key_values(o_.sysctls, "--sysctl"));
        if (!sysctls.empty()) host_["Sysctls"] = std::move(sysctls);
        for (const std::string& word : o_.ulimits) {
            GANTRY_TRY(Json limit, for_flag(parse_ulimit(word), word, "--ulimit"));
            host_["Ulimits"].push_back(std::move(limit));
        }
        return {};
    }

    // "/dev/sda:1mb"
    Result<void> throttle(const char* key, const std::vector<std::string>& words, const char* flag, bool bytes) {
        for (const std::string& word : words) {
            std::size_t colon = word.rfind(':');
            auto rate = colon == std::string::npos ? std::nullopt
                        : bytes                    ? parse_size(word.substr(colon + 1))
                                                   : parse_int(word.substr(colon + 1));
            if (!rate || *rate < 0 || !word.starts_with("/dev/"))
                return invalid("invalid argument \"" + word + "\" for \"" + flag +
                               "\" flag: want <device-path>:<number>[<unit>]");
            host_[key].push_back(Json{{"Path", word.substr(0, colon)},
                                      {flag == std::string_view("--blkio-weight-device") ? "Weight" : "Rate", *rate}});
        }
        return {};
    }

    Result<void> resources() {
        set_number(host_, "Memory", o_.memory);
        set_number(host_, "MemorySwap", o_.memory_swap);
        set_number(host_, "MemoryReservation", o_.memory_reservation);
        if (o_.memory_swappiness != -1) {
            if (o_.memory_swappiness < 0 || o_.memory_swappiness > 100)
                return invalid("invalid value: " + std::to_string(o_.memory_swappiness) +
                               ". valid memory swappiness range is 0-100");
            host_["MemorySwappiness"] = o_.memory_swappiness;
        }
        set_number(host_, "NanoCpus", o_.nano_cpus);
        set_number(host_, "CpuShares", o_.cpu_shares);
        set_number(host_, "CpuQuota", o_.cpu_quota);
        set_number(host_, "CpuPeriod", o_.cpu_period);
        set_number(host_, "CpuRealtimePeriod", o_.cpu_rt_period);
        set_number(host_, "CpuRealtimeRuntime", o_.cpu_rt_runtime);
        set_text(host_, "CpusetCpus", o_.cpuset_cpus);
        set_text(host_, "CpusetMems", o_.cpuset_mems);
        if (flags_.given("pids-limit")) host_["PidsLimit"] = o_.pids_limit;
        set_number(host_, "BlkioWeight", o_.blkio_weight);
        GANTRY_CHECK(throttle("BlkioWeightDevice", o_.weight_devices, "--blkio-weight-device", false));
        GANTRY_CHECK(throttle("BlkioDeviceReadBps", o_.read_bps, "--device-read-bps", true));
        GANTRY_CHECK(throttle("BlkioDeviceWriteBps", o_.write_bps, "--device-write-bps", true));
        GANTRY_CHECK(throttle("BlkioDeviceReadIOps", o_.read_iops, "--device-read-iops", false));
        GANTRY_CHECK(throttle("BlkioDeviceWriteIOps", o_.write_iops, "--device-write-iops", false));
        set_number(host_, "OomScoreAdj", o_.oom_score_adj);
        set_flag(host_, "OomKillDisable", o_.oom_kill_disable);
        return {};
    }

    Result<void> logging() {
        GANTRY_TRY(Json options, key_values(o_.log_options, "--log-opt"));
        if (o_.log_driver == "none" && !options.empty()) return invalid("invalid logging opts for driver none");
        if (o_.log_driver.empty() && options.empty()) return {};
        host_["LogConfig"] = Json{{"Type", o_.log_driver}, {"Config", std::move(options)}};
        return {};
    }

    const ContainerOptions& o_;
    const Flags& flags_;
    Json config_ = Json::object(), host_ = Json::object(), endpoints_ = Json::object();
};

}  // namespace

Result<Json> ContainerOptions::body(const Flags& flags, const std::string& image,
                                    const std::vector<std::string>& command, bool attached) const {
    return Builder(*this, flags).build(image, command, attached);
}

}  // namespace gantry::cli
