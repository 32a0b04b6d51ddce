#include "core/container/create_request.hpp"

#include <arpa/inet.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "core/base/text.hpp"
#include "core/container/capabilities.hpp"
#include "core/container/config_shape.hpp"
#include "core/container/port_spec.hpp"

namespace gantry::container {
namespace {

bool empty(const Json& value) {
    return value.is_null() || (value.is_array() && value.empty()) || (value.is_object() && value.empty()) ||
           (value.is_string() && value.get_ref<const std::string&>().empty()) || (value.is_number() && value == 0) ||
           (value.is_boolean() && !value.get<bool>());
}

Result<void> refuse_unsupported(const Json& host) {
    for (const char* key : {"StorageOpt", "DeviceRequests", "CpuRealtimePeriod", "CpuRealtimeRuntime", "CpuCount",
                            "CpuPercent", "IOMaximumIOps", "IOMaximumBandwidth", "Cgroup"})
        if (!empty(host[key])) return fail(Code::unsupported, std::string("HostConfig.") + key + " is not supported");
    auto one_of = [&](const char* key, std::initializer_list<std::string_view> allowed,
                      bool container_form) -> Result<void> {
        std::string value = host[key].get<std::string>();
        if (std::find(allowed.begin(), allowed.end(), value) != allowed.end() ||
            (container_form && value.starts_with("container:") && value.size() > 10))
            return {};
        std::string text = std::string("invalid HostConfig.") + key + ": \"" + value + "\", allowed:";
        for (auto word : allowed) text += " \"" + std::string(word) + "\"";
        if (container_form) text += " \"container:NAME\"";
        return fail(Code::invalid, text);
    };
    GANTRY_CHECK(one_of("CgroupnsMode", {"", "private", "host"}, false));
    GANTRY_CHECK(one_of("IpcMode", {"", "private", "none", "host", "shareable"}, true));
    GANTRY_CHECK(one_of("PidMode", {"", "host"}, true));
    GANTRY_CHECK(one_of("UTSMode", {"", "host"}, false));
    GANTRY_CHECK(one_of("UsernsMode", {"", "host", "private"}, false));
    GANTRY_CHECK(one_of("Isolation", {"", "default"}, false));
    return {};
}

// A parent is below the engine's own group; one that climbs is a mistake or worse.
Result<void> check_cgroup_parent(const std::string& parent) {
    for (std::string_view part : split(parent, '/'))
        if (part == ".." || part == "." || part.find('\0') != std::string_view::npos || part.size() > 255)
            return fail(Code::invalid, "invalid cgroup parent \"" + parent + "\"");
    return {};
}

Result<void> check_restart_policy(const Json& host) {
    const Json& policy = host["RestartPolicy"];
    std::string name = policy.value("Name", "");
    std::int64_t maximum = policy.value("MaximumRetryCount", std::int64_t{0});
    if (name != "" && name != "no" && name != "always" && name != "on-failure" && name != "unless-stopped")
        return fail(Code::invalid, "invalid restart policy: unknown policy '" + name +
                                       "'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'");
    if (maximum != 0 && name != "on-failure")
        return fail(Code::invalid, "invalid restart policy: maximum retry count can only be used with 'on-failure'");
    if (maximum < 0) return fail(Code::invalid, "invalid restart policy: maximum retry count cannot be negative");
    if (host["AutoRemove"].get<bool>() && name != "" && name != "no")
        return fail(Code::invalid, "can't create 'AutoRemove' container with restart policy");
    return {};
}

// What becomes a line of /etc/resolv.conf is one line.
Result<void> check_resolver(const Json& host) {
    for (const char* key : {"Dns", "DnsSearch", "DnsOptions"})
        for (const Json& item : host[key]) {
            const std::string& text = item.get_ref<const std::string&>();
            if (std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }))
                return fail(Code::invalid, std::string("invalid HostConfig.") + key + ": " +
                                               quote_json(text.substr(0, 200)) + " has a control character in it");
        }
    return {};
}

// "0-3,7" within the machine's processors.
Result<void> check_cpuset(const std::string& text, const char* what, long count) {
    for (std::string_view item : split(text, ',')) {
        if (text.empty()) break;
        std::size_t dash = item.find('-');
        auto low = parse_int(item.substr(0, dash));
        auto high = dash == std::string_view::npos ? low : parse_int(item.substr(dash + 1));
        if (!low || !high || *low < 0 || *high < *low)
            return fail(Code::invalid, "invalid value " + text + " for " + what);
        if (*high >= count)
            return fail(Code::invalid, std::string("Requested CPUs are not available - requested ") + text +
                                           ", available: 0-" + std::to_string(count - 1));
    }
    return {};
}

Result<void> check_names(const Json& config) {
    std::string host = config["Hostname"];
    if (host.size() > 63 || host.find_first_of(" /\t\n\\:") != std::string::npos || host.starts_with('-'))
        return fail(Code::invalid, "invalid hostname \"" + host + "\"");
    for (const Json& item : config["Env"]) {
        std::string text = item.get<std::string>();
        if (text.empty() || text[0] == '=') return fail(Code::invalid, "invalid environment variable: " + text);
    }
    std::string directory = config["WorkingDir"];
    if (!directory.empty() && !directory.starts_with('/'))
        return fail(Code::invalid,
                    "the working directory '" + directory + "' is invalid, it needs to be an absolute path");
    if (std::string signal = config["StopSignal"]; !signal.empty()) {
        auto known = parse_signal(signal);
        if (!known) return std::move(known).error();
    }
    return {};
}

// "A=1" over "A=0": the later wins, in the earlier's place.
Json merged_environment(const Json& image, const Json& given) {
    std::vector<std::string> merged;
    for (const Json* list : {&image, &given}) {
        if (!list->is_array()) continue;
        for (const Json& item : *list) {
            std::string text = item.get<std::string>();
            std::string name = text.substr(0, text.find('='));
            auto same = std::find_if(merged.begin(), merged.end(), [&](const std::string& other) {
                return other.substr(0, other.find('=')) == name;
            });
            if (same == merged.end())
                merged.push_back(text);
            else
                *same = text;
        }
    }
    return merged;
}

void merge_image(Json& config, const Json& given, const Json& image) {
    config["Env"] = merged_environment(image.value("Env", Json::array()), config["Env"]);
    bool own_entrypoint = given.contains("Entrypoint") && !given["Entrypoint"].is_null();
    if (own_entrypoint) {
        // [""] is how a client says "no entrypoint, whatever the image says".
        if (config["Entrypoint"] == Json::array({""})) config["Entrypoint"] = nullptr;
    } else if (image.contains("Entrypoint")) {
        config["Entrypoint"] = image["Entrypoint"];
    }
    if (empty(config["Cmd"]) && !own_entrypoint && image.contains("Cmd")) config["Cmd"] = image["Cmd"];
    for (const char* key : {"User", "WorkingDir", "StopSignal"})
        if (empty(config[key]) && image.contains(key) && image[key].is_string()) config[key] = image[key];
    for (const char* key : {"ExposedPorts", "Volumes", "Labels"})
        if (image.contains(key) && image[key].is_object())
            for (const auto& [name, value] : image[key].items())
                if (!config[key].contains(name)) config[key][name] = value;
}

}  // namespace

Result<void> check_extra_hosts(const std::vector<std::string>& hosts) {
    for (const std::string& host : hosts) {
        const std::size_t separator = host.find_first_of("=:");
        const std::string name = host.substr(0, separator);
        if (separator == std::string::npos || name.empty() || name.size() > 255 ||
            std::any_of(name.begin(), name.end(), [](unsigned char c) { return c <= 0x20 || c == 0x7f || c == '#'; }))
            return fail(Code::invalid, "bad format for add-host: " + quote_json(host.substr(0, 300)));
        const std::string address = host.substr(separator + 1);
        in6_addr space{};
        // inet_pton(3) reads as far as a NUL.
        if (address != "host-gateway" &&
            (address.find('\0') != std::string::npos || (::inet_pton(AF_INET, address.c_str(), &space) != 1 &&
                                                         ::inet_pton(AF_INET6, address.c_str(), &space) != 1)))
            return fail(Code::invalid, "invalid IP address in add-host: " + quote_json(address.substr(0, 300)));
    }
    return {};
}

Result<void> check_resources(const Json& host) {
    auto number = [&](const char* key) { return host[key].get<std::int64_t>(); };
    std::int64_t memory = number("Memory"), swap = number("MemorySwap"), reservation = number("MemoryReservation");
    constexpr std::int64_t least = 6 << 20;
    if (memory != 0 && memory < least) return fail(Code::invalid, "Minimum memory limit allowed is 6MB");
    if (memory > 0 && swap > 0 && swap < memory)
        return fail(Code::invalid, "Minimum memoryswap limit should be larger than memory limit, see usage");
    if (memory == 0 && swap > 0)
        return fail(Code::invalid, "You should always set the Memory limit when using Memoryswap limit, see usage");
    if (reservation != 0 && reservation < least)
        return fail(Code::invalid, "Minimum memory reservation allowed is 6MB");
    if (memory > 0 && reservation > memory)
        return fail(Code::invalid, "Minimum memory limit can not be less than memory reservation limit, see usage");
    if (host["MemorySwappiness"].is_number() && (host["MemorySwappiness"] < -1 || host["MemorySwappiness"] > 100))
        return fail(Code::invalid,
                    "Invalid value: " + host["MemorySwappiness"].dump() + ", valid memory swappiness range is 0-100");

    std::int64_t cpus = number("NanoCpus"), period = number("CpuPeriod"), quota = number("CpuQuota");
    long processors = ::sysconf(_SC_NPROCESSORS_CONF);
    if (cpus != 0 && (period != 0 || quota != 0))
        return fail(Code::invalid, "Conflicting options: Nano CPUs and CPU " +
                                       std::string(period != 0 ? "Period" : "Quota") + " cannot both be set.");
    if (cpus < 0 || cpus > processors * 1'000'000'000)
        return fail(Code::invalid, "range of CPUs is from 0.01 to " + std::to_string(processors) +
                                       ".00, as there are only " + std::to_string(processors) + " CPUs available");
    if (cpus != 0 && cpus < 10'000'000)
        return fail(Code::invalid, "range of CPUs is from 0.01 to " + std::to_string(processors) +
                                       ".00, as there are only " + std::to_string(processors) + " CPUs available");
    if (period != 0 && (period < 1000 || period > 1'000'000))
        return fail(Code::invalid,
                    "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)");
    if (quota > 0 && quota < 1000) return fail(Code::invalid, "CPU cfs quota can not be less than 1ms (i.e. 1000)");
    if (std::int64_t shares = number("CpuShares"); shares < 0)
        return fail(Code::invalid,
                    "invalid CPU shares (" + std::to_string(shares) + "): value must be a positive integer");
    GANTRY_CHECK(check_cpuset(host["CpusetCpus"], "cpuset cpus", processors));
    GANTRY_CHECK(check_cpuset(host["CpusetMems"], "cpuset mems", 1024));
    if (std::int64_t weight = number("BlkioWeight"); weight != 0 && (weight < 10 || weight > 1000))
        return fail(Code::invalid, "Range of blkio weight is from 10 to 1000");
    if (std::int64_t adjust = number("OomScoreAdj"); adjust < -1000 || adjust > 1000)
        return fail(Code::invalid,
                    "Invalid value " + std::to_string(adjust) + ", range for oom score adj is [-1000, 1000]");
    if (number("ShmSize") < 0) return fail(Code::invalid, "SHM size can not be less than 0");
    for (const Json& limit : host["Ulimits"]) {
        std::string name = limit.value("Name", "");
        constexpr std::string_view known[] = {"core",    "cpu",      "data",   "fsize",      "locks",
                                              "memlock", "msgqueue", "nice",   "nofile",     "nproc",
                                              "rss",     "rtprio",   "rttime", "sigpending", "stack"};
        if (std::find(std::begin(known), std::end(known), name) == std::end(known))
            return fail(Code::invalid, "invalid ulimit type: " + name);
        std::int64_t soft = limit.value("Soft", std::int64_t{0}), hard = limit.value("Hard", std::int64_t{0});
        if (soft > hard && hard != -1)
            return fail(Code::invalid, "ulimit soft limit must be less than or equal to hard limit: " +
                                           std::to_string(soft) + " > " + std::to_string(hard));
    }
    return {};
}

Result<Container> read_create_request(const Json& body, const Json& image_config, const CreateDefaults& defaults,
                                      std::vector<std::string>* warnings) {
    try {
        Container c;
        GANTRY_TRY(c.config, completed(body, config_defaults(), "Config"));
        GANTRY_TRY(c.host_config, completed(body.value("HostConfig", Json()), host_config_defaults(), "HostConfig"));
        Json& host = c.host_config;
        // Absent and null stand apart for these.
        if (body.contains("StopTimeout") && body["StopTimeout"].is_number_integer())
            c.config["StopTimeout"] = body["StopTimeout"];
        if (body.contains("Shell") && !empty(body["Shell"])) c.config["Shell"] = body["Shell"];
        if (body.value("NetworkDisabled", false)) c.config["NetworkDisabled"] = true;
        for (const char* key : {"Cmd", "Entrypoint"}) {
            Json& value = c.config[key];
            if (value.is_string()) value = Json::array({value});  // the API takes a string for a list of one
            if (!value.is_null() && !value.is_array())
                return fail(Code::invalid, std::string("Config.") + key + ": expected a list of strings");
        }
        merge_image(c.config, body, image_config);
        for (const Json* from : {&image_config, &body})
            if (from->contains("Healthcheck") && (*from)["Healthcheck"].is_object()) {
                Json& health = c.config["Healthcheck"];
                if (health.is_null()) health = Json::object();
                for (const auto& [key, value] : (*from)["Healthcheck"].items())
                    if (!empty(value)) health[key] = value;
            }
        GANTRY_CHECK(read_health_check(c.config));
        GANTRY_CHECK(check_names(c.config));
        GANTRY_CHECK(refuse_unsupported(host));
        GANTRY_CHECK(check_restart_policy(host));
        GANTRY_CHECK(check_resources(host));
        GANTRY_CHECK(check_cgroup_parent(host["CgroupParent"]));
        GANTRY_CHECK(check_resolver(host));
        if (const Json& hosts = host["ExtraHosts"]; hosts.is_array())
            GANTRY_CHECK(check_extra_hosts(hosts.get<std::vector<std::string>>()));
        GANTRY_CHECK(check_ports(c.config, host));
        auto strings = [&](const char* key) {
            return host[key].is_array() ? host[key].get<std::vector<std::string>>() : std::vector<std::string>{};
        };
        std::vector<std::string> withheld;
        auto capabilities =
            effective_capabilities(default_capabilities(), strings("CapAdd"), strings("CapDrop"), &withheld);
        if (!capabilities) return std::move(capabilities).error();
        for (const auto& name : withheld)
            warnings->push_back("this machine cannot give " + name + "; the container runs without it");

        if (empty(host["RestartPolicy"].value("Name", Json(""))))
            host["RestartPolicy"] = {{"Name", "no"}, {"MaximumRetryCount", 0}};
        if (empty(host["NetworkMode"])) host["NetworkMode"] = "default";
        if (empty(host["IpcMode"])) host["IpcMode"] = "private";
        if (empty(host["CgroupnsMode"])) host["CgroupnsMode"] = "private";
        if (host["ShmSize"] == 0) host["ShmSize"] = defaults.shm_size;
        if (host["PidsLimit"].is_null() || host["PidsLimit"] == 0) host["PidsLimit"] = defaults.pids_limit;
        if (empty(host["LogConfig"].value("Type", ""))) {
            host["LogConfig"]["Type"] = defaults.log_driver;
            Json options = defaults.log_options;
            if (host["LogConfig"].contains("Config") && host["LogConfig"]["Config"].is_object())
                options.update(host["LogConfig"]["Config"]);
            host["LogConfig"]["Config"] = options;
        }
        if (host["Memory"] > 0 && host["MemorySwap"] == 0) host["MemorySwap"] = host["Memory"].get<std::int64_t>() * 2;
        c.runtime = host["Runtime"].get<std::string>().empty() ? defaults.runtime : host["Runtime"].get<std::string>();
        host["Runtime"] = c.runtime;
        c.layer_driver = defaults.layer_driver;

        std::vector<std::string> command;
        for (const char* key : {"Entrypoint", "Cmd"})
            if (c.config[key].is_array())
                for (const Json& word : c.config[key]) command.push_back(word.get<std::string>());
        if (command.empty() || (command.size() == 1 && command[0].empty()))
            return fail(Code::invalid, "no command specified");
        c.path = command[0];
        c.args.assign(command.begin() + 1, command.end());
        Json networking = body.value("NetworkingConfig", Json::object());
        c.endpoints = networking.is_object() && networking.contains("EndpointsConfig") &&
                              networking["EndpointsConfig"].is_object()
                          ? networking["EndpointsConfig"]
                          : Json::object();
        GANTRY_CHECK(check_shape(c.config, c.host_config, c.endpoints));
        return c;
    } catch (const Json::exception& e) {
        return fail(Code::invalid, std::string("invalid create request: ") + e.what());
    }
}

}  // namespace gantry::container
