// update: limits, restart policy and published ports of containers; and the two options of `port` that are a part of it.
#include "core/cli/update.hpp"

#include "core/base/text.hpp"
#include "core/cli/handlers.hpp"
#include "core/cli/key_values.hpp"
#include "core/cli/ports.hpp"

namespace gantry::cli {
namespace {

struct Changes {
    std::int64_t memory = 0, memory_swap = 0, memory_reservation = 0, nano_cpus = 0, cpu_shares = 0, cpu_quota = 0,
                 cpu_period = 0, cpu_rt_period = 0, cpu_rt_runtime = 0, pids_limit = 0, blkio_weight = 0;
    std::string cpuset_cpus, cpuset_mems, restart;
    std::vector<std::string> publish_add, publish_rm;

    void declare(Flags& flags);
    // The body of POST /containers/{id}/update: what was given, and nothing else.
    Result<Json> body(const Flags& flags) const;
};

void bytes_option(Flags& flags, std::int64_t& target, char letter, const char* name, const char* help) {
    flags.custom(
        [&target](std::string_view value) -> Result<void> {
            auto bytes = value == "-1" ? std::optional<std::int64_t>(-1) : parse_size(value);
            if (!bytes) return fail(Code::invalid, "invalid size: '" + std::string(value) + "'");
            target = *bytes;
            return {};
        },
        letter, name, "bytes", help);
}

void Changes::declare(Flags& flags) {
    bytes_option(flags, memory, 'm', "memory", "Memory limit");
    bytes_option(flags, memory_swap, 0, "memory-swap",
                 "Swap limit equal to memory plus swap: '-1' to enable unlimited swap");
    bytes_option(flags, memory_reservation, 0, "memory-reservation", "Memory soft limit");
    flags.custom(
        [this](std::string_view value) -> Result<void> {
            GANTRY_TRY(nano_cpus, parse_cpus(value));
            return {};
        },
        0, "cpus", "decimal", "Number of CPUs");
    flags.integer(cpu_shares, 'c', "cpu-shares", "CPU shares (relative weight)");
    flags.integer(cpu_quota, 0, "cpu-quota", "Limit CPU CFS (Completely Fair Scheduler) quota");
    flags.integer(cpu_period, 0, "cpu-period", "Limit CPU CFS (Completely Fair Scheduler) period");
    flags.integer(cpu_rt_period, 0, "cpu-rt-period", "Limit CPU real-time period in microseconds");
    flags.integer(cpu_rt_runtime, 0, "cpu-rt-runtime", "Limit CPU real-time runtime in microseconds");
    flags.text(cpuset_cpus, 0, "cpuset-cpus", "CPUs in which to allow execution (0-3, 0,1)");
    flags.text(cpuset_mems, 0, "cpuset-mems", "MEMs in which to allow execution (0-3, 0,1)");
    flags.integer(pids_limit, 0, "pids-limit", "Tune container pids limit (set -1 for unlimited)");
    flags.integer(blkio_weight, 0, "blkio-weight", "Block IO (relative weight), between 10 and 1000, or 0 to disable");
    flags.text(restart, 0, "restart", "Restart policy to apply when a container exits");
    flags.list(publish_add, 0, "publish-add", "Publish a further port of the container, as run's -p does");
    flags.list(publish_rm, 0, "publish-rm", "Publish a port no longer: 80, 8080:80, 127.0.0.1:8080:80/udp");
}

Result<Json> ports_of(const std::vector<std::string>& words, const char* flag) {
    Json ports = Json::object();
    for (const std::string& word : words) {
        auto mappings = parse_publish(word);
        if (!mappings)
            return fail(Code::invalid,
                        "invalid argument \"" + word + "\" for \"" + flag + "\" flag: " + mappings.error().text);
        for (const PortMapping& mapping : *mappings)
            ports[mapping.container].push_back(Json{{"HostIp", mapping.host_address}, {"HostPort", mapping.host_port}});
    }
    return ports;
}

Result<Json> Changes::body(const Flags& flags) const {
    Json body = Json::object();
    const auto number = [&](const char* flag, const char* key, std::int64_t value) {
        if (flags.given(flag)) body[key] = value;
    };
    number("memory", "Memory", memory);
    number("memory-swap", "MemorySwap", memory_swap);
    number("memory-reservation", "MemoryReservation", memory_reservation);
    number("cpus", "NanoCpus", nano_cpus);
    number("cpu-shares", "CpuShares", cpu_shares);
    number("cpu-quota", "CpuQuota", cpu_quota);
    number("cpu-period", "CpuPeriod", cpu_period);
    number("cpu-rt-period", "CpuRealtimePeriod", cpu_rt_period);
    number("cpu-rt-runtime", "CpuRealtimeRuntime", cpu_rt_runtime);
    number("pids-limit", "PidsLimit", pids_limit);
    number("blkio-weight", "BlkioWeight", blkio_weight);
    if (!cpuset_cpus.empty()) body["CpusetCpus"] = cpuset_cpus;
    if (!cpuset_mems.empty()) body["CpusetMems"] = cpuset_mems;
    if (!restart.empty()) {
        auto policy = parse_restart(restart);
        if (!policy)
            return fail(Code::invalid,
                        "invalid argument \"" + restart + "\" for \"--restart\" flag: " + policy.error().text);
        body["RestartPolicy"] = std::move(*policy);
    }
    GANTRY_TRY(Json add, ports_of(publish_add, "--publish-add"));
    GANTRY_TRY(Json remove, ports_of(publish_rm, "--publish-rm"));
    if (!add.empty()) body["PublishAdd"] = std::move(add);
    if (!remove.empty()) body["PublishRm"] = std::move(remove);
    return body;
}

Result<Json> post_update(Call& call, const std::string& name, const Json& body) {
    return call.client().post("/containers/" + path_escape(name) + "/update", &body);
}

}  // namespace

Result<int> update(Call& call) {
    Changes changes;
    Flags flags;
    changes.declare(flags);
    auto args = call.parse(flags, at_least(1));
    if (!args) return call.exit_code();
    GANTRY_TRY(const Json body, changes.body(flags));
    if (body.empty()) return fail(Code::invalid, "you must provide one or more flags when using this command");
    return for_each_name(*args, [&](const std::string& name) -> Result<std::string> {
        GANTRY_TRY(const Json answer, post_update(call, name, body));
        if (answer.contains("Warnings") && answer["Warnings"].is_array())
            for (const Json& warning : answer["Warnings"])
                if (warning.is_string()) print_err(warning.get<std::string>() + "\n");
        return name;
    });
}

Result<void> change_published(Call& call, const std::string& name, const std::vector<std::string>& add,
                              const std::vector<std::string>& remove) {
    Json body = Json::object();
    GANTRY_TRY(body["PublishAdd"], ports_of(add, "--add"));
    GANTRY_TRY(body["PublishRm"], ports_of(remove, "--rm"));
    GANTRY_TRY([[maybe_unused]] const Json answer, post_update(call, name, body));
    return {};
}

}  // namespace gantry::cli
