// The "linux.resources" object of config.json and of update.
#include "fields.hpp"
#include "spec.hpp"

namespace gantry::native {
namespace {

Result<void> parse_device_rules(const Json& list, const std::string& where, std::vector<DeviceRule>& out) {
    if (list.size() > 4096) return fail(Code::invalid, "\"" + where + "\" has more than 4096 entries");
    for (const Json& item : list) {
        DeviceRule rule;
        std::string type = "a";
        rule.access.clear();
        Fields fields(item, where + "[]");
        fields.boolean("allow", rule.allow);
        fields.text("type", type);
        fields.number("major", rule.major, -1, UINT32_MAX);
        fields.number("minor", rule.minor, -1, UINT32_MAX);
        fields.text("access", rule.access);
        GANTRY_CHECK(fields.finish());
        if (type.empty()) type = "a";
        if (type != "a" && type != "c" && type != "b")
            return fail(Code::invalid, "device rule type \"" + type + "\" is not a, b or c");
        rule.type = type[0];
        if (rule.access.empty()) rule.access = "rwm";
        if (rule.access.find_first_not_of("rwm") != std::string::npos)
            return fail(Code::invalid, "device access \"" + rule.access + "\" is not made of r, w and m");
        out.push_back(std::move(rule));
    }
    return {};
}

Result<void> parse_memory(const Json& json, const std::string& where, Resources& out) {
    Fields fields(json, where);
    fields.number("limit", out.memory_limit, -1);
    fields.number("reservation", out.memory_reservation, -1);
    fields.number("swap", out.memory_swap, -1);
    fields.number("swappiness", out.swappiness, 0, 200);
    out.has_oom_kill_disable = fields.has("disableOOMKiller");
    fields.boolean("disableOOMKiller", out.oom_kill_disable);
    fields.ignore("useHierarchy");       // always so
    fields.ignore("checkBeforeUpdate");  // the kernel refuses a limit below the usage on v1; v2 reclaims
    std::int64_t kernel = 0, kernel_tcp = 0;
    fields.number("kernel", kernel, -1);
    fields.number("kernelTCP", kernel_tcp, -1);
    GANTRY_CHECK(fields.finish());
    if (kernel > 0 || kernel_tcp > 0)
        return fail(Code::unsupported,
                    "separate limits of kernel memory are gone from the kernel (\"" + where + ".kernel\")");
    return {};
}

Result<void> parse_cpu(const Json& json, const std::string& where, Resources& out) {
    Fields fields(json, where);
    fields.number("shares", out.cpu_shares, 0, 262144);
    fields.number("quota", out.cpu_quota, -1);
    fields.number("burst", out.cpu_burst, 0);
    fields.number("period", out.cpu_period, 0);
    fields.number("idle", out.cpu_idle, 0, 1);
    fields.number("realtimeRuntime", out.rt_runtime);
    fields.number("realtimePeriod", out.rt_period, 0);
    fields.text("cpus", out.cpus);
    fields.text("mems", out.mems);
    GANTRY_CHECK(fields.finish());
    for (const std::string* list : {&out.cpus, &out.mems})
        if (list->find_first_not_of("0123456789,-") != std::string::npos || list->size() > 4000)
            return fail(Code::invalid, "cpu or memory node list \"" + list->substr(0, 80) +
                                           "\" is not made of numbers, \",\" and \"-\"");
    return {};
}

Result<void> parse_block_io(const Json& json, const std::string& where, Resources& out) {
    Fields fields(json, where);
    fields.number("weight", out.blkio_weight, 0, 1000);
    fields.refuse("leafWeight");
    fields.refuse("weightDevice");
    constexpr std::pair<const char*, const char*> lists[] = {{"throttleReadBpsDevice", "read_bps_device"},
                                                             {"throttleWriteBpsDevice", "write_bps_device"},
                                                             {"throttleReadIOPSDevice", "read_iops_device"},
                                                             {"throttleWriteIOPSDevice", "write_iops_device"}};
    for (const auto& [key, file] : lists) {
        const Json* list = fields.array(key);
        if (!list) continue;
        for (const Json& item : *list) {
            ThrottleDevice device;
            device.file = file;
            Fields of_device(item, where + "." + key);
            of_device.number("major", device.major, 0, UINT32_MAX);
            of_device.number("minor", device.minor, 0, UINT32_MAX);
            of_device.number("rate", device.rate, 0);
            GANTRY_CHECK(of_device.finish());
            out.throttle.push_back(std::move(device));
        }
    }
    return fields.finish();
}

Result<void> parse_huge_pages(const Json& list, const std::string& where, Resources& out) {
    for (const Json& item : list) {
        std::string size;
        std::int64_t limit = 0;
        Fields fields(item, where);
        fields.text("pageSize", size);
        fields.number("limit", limit, 0);
        GANTRY_CHECK(fields.finish());
        if (size.empty() || size.size() > 16 || size.find_first_not_of("0123456789KMGB") != std::string::npos)
            return fail(Code::invalid, "huge page size \"" + size.substr(0, 40) + "\" is not like \"2MB\"");
        out.huge_pages.emplace_back(size, limit);
    }
    return {};
}

}  // namespace

Result<Resources> parse_resources(const Json& json, const std::string& where) {
    Resources out;
    Fields fields(json, where);
    const Json* devices = fields.array("devices");
    const Json* memory = fields.object("memory");
    const Json* cpu = fields.object("cpu");
    const Json* pids = fields.object("pids");
    const Json* block_io = fields.object("blockIO");
    const Json* huge_pages = fields.array("hugepageLimits");
    const Json* unified = fields.object("unified");
    fields.refuse("network");
    fields.refuse("rdma");
    GANTRY_CHECK(fields.finish());
    if (devices) {
        out.has_devices = true;
        GANTRY_CHECK(parse_device_rules(*devices, where + ".devices", out.devices));
    }
    if (memory) GANTRY_CHECK(parse_memory(*memory, where + ".memory", out));
    if (cpu) GANTRY_CHECK(parse_cpu(*cpu, where + ".cpu", out));
    if (block_io) GANTRY_CHECK(parse_block_io(*block_io, where + ".blockIO", out));
    if (huge_pages) GANTRY_CHECK(parse_huge_pages(*huge_pages, where + ".hugepageLimits", out));
    if (pids) {
        Fields of_pids(*pids, where + ".pids");
        of_pids.number("limit", out.pids_limit, -1);
        GANTRY_CHECK(of_pids.finish());
    }
    if (unified)
        for (const auto& [key, value] : unified->items()) {
            if (key.empty() ||
                key.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_.KMGB") != std::string::npos ||
                key.find('.') == std::string::npos || key.starts_with("cgroup."))
                return fail(Code::invalid,
                            "\"" + where + ".unified\" names \"" + key + "\", which is no resource file of cgroup v2");
            if (!value.is_string()) return fail(Code::invalid, "\"" + where + ".unified." + key + "\" is not text");
            out.unified.emplace_back(key, value.get<std::string>());
        }
    return out;
}

}  // namespace gantry::native
