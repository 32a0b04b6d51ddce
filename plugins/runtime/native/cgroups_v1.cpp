#include <unistd.h>

#include "cgroup_files.hpp"
#include "cgroups.hpp"
#include "kernel.hpp"
#include "spec.hpp"

#include <fcntl.h>

#include <charconv>

namespace gantry::native {
namespace {

using Missing = Setting::Missing;

// "8:0 Read 4096" lines, summed into one entry per device and kind.
void read_block_io(const std::string& directory, Json& out) {
    std::vector<Json> entries;
    const auto entry = [&](std::uint64_t major, std::uint64_t minor, const std::string& op) -> Json& {
        for (Json& e : entries)
            if (e["major"] == major && e["minor"] == minor && e["op"] == op) return e;
        return entries.emplace_back(Json{{"major", major}, {"minor", minor}, {"op", op}, {"bytes", 0}, {"ios", 0}});
    };
    constexpr std::pair<const char*, const char*> files[] = {{"blkio.throttle.io_service_bytes_recursive", "bytes"},
                                                             {"blkio.throttle.io_serviced_recursive", "ios"}};
    for (const auto& [file, key] : files) {
        const auto text = read_at(AT_FDCWD, directory + "/" + file);
        if (!text) continue;
        for (std::string_view line : split(*text, '\n')) {
            const auto words = split(line, ' ');
            if (words.size() != 3) continue;
            const auto colon = words[0].find(':');
            if (colon == std::string_view::npos) continue;
            const auto value = [](std::string_view t) {
                std::uint64_t n = 0;
                std::from_chars(t.data(), t.data() + t.size(), n);
                return n;
            };
            std::string op(words[1]);
            if (!op.empty() && op[0] >= 'A' && op[0] <= 'Z') op[0] = static_cast<char>(op[0] - 'A' + 'a');
            if (op != "total")
                entry(value(words[0].substr(0, colon)), value(words[0].substr(colon + 1)), op)[key] = value(words[2]);
        }
    }
    out["blkio"] = entries;
}

}  // namespace

Result<std::vector<Setting>> v1_settings(const Resources& r) {
    std::vector<Setting> out;
    const auto add = [&](const char* controller, std::string file, std::string value,
                         Missing missing = Missing::refuse) {
        out.push_back({controller, std::move(file), std::move(value), missing});
    };
    const auto number = [](std::int64_t n) { return std::to_string(n); };
    if (r.memory_limit != unset && r.memory_limit != 0) add("memory", "memory.limit_in_bytes", number(r.memory_limit));
    if (r.memory_swap != unset && r.memory_swap != 0)
        add("memory", "memory.memsw.limit_in_bytes", number(r.memory_swap), Missing::warn);
    if (r.memory_reservation != unset && r.memory_reservation != 0)
        add("memory", "memory.soft_limit_in_bytes", number(r.memory_reservation));
    if (r.swappiness >= 0) add("memory", "memory.swappiness", number(r.swappiness));
    if (r.has_oom_kill_disable)
        add("memory", "memory.oom_control", r.oom_kill_disable ? "1" : "0",
            r.oom_kill_disable ? Missing::refuse : Missing::warn);
    if (r.cpu_shares != unset && r.cpu_shares != 0) add("cpu", "cpu.shares", number(r.cpu_shares));
    if (r.cpu_period != unset && r.cpu_period != 0) add("cpu", "cpu.cfs_period_us", number(r.cpu_period));
    if (r.cpu_quota != unset && r.cpu_quota != 0) add("cpu", "cpu.cfs_quota_us", number(r.cpu_quota));
    if (r.cpu_burst != unset) add("cpu", "cpu.cfs_burst_us", number(r.cpu_burst));
    if (r.cpu_idle != unset) add("cpu", "cpu.idle", number(r.cpu_idle));
    if (r.rt_period != unset && r.rt_period != 0) add("cpu", "cpu.rt_period_us", number(r.rt_period));
    if (r.rt_runtime != unset && r.rt_runtime != 0) add("cpu", "cpu.rt_runtime_us", number(r.rt_runtime));
    if (!r.cpus.empty()) add("cpuset", "cpuset.cpus", r.cpus);
    if (!r.mems.empty()) add("cpuset", "cpuset.mems", r.mems);
    if (r.pids_limit != unset) add("pids", "pids.max", r.pids_limit <= 0 ? "max" : number(r.pids_limit));
    if (r.blkio_weight > 0) add("blkio", "blkio.bfq.weight", number(r.blkio_weight), Missing::warn);
    for (const ThrottleDevice& device : r.throttle)
        add("blkio", "blkio.throttle." + device.file,
            number(device.major) + ":" + number(device.minor) + " " + number(device.rate));
    for (const auto& [size, limit] : r.huge_pages) add("hugetlb", "hugetlb." + size + ".limit_in_bytes", number(limit));
    return out;
}

void v1_stats(const StatDirectories& at, Json& out) {
    const auto put = [](Json& to, const char* key, const std::string& file) {
        if (const auto n = read_number(file)) to[key] = *n;
    };
    Json& cpu = out["cpu"] = Json::object();
    if (!at.cpuacct.empty()) {
        put(cpu, "usage_ns", at.cpuacct + "/cpuacct.usage");
        put(cpu, "user_ns", at.cpuacct + "/cpuacct.usage_user");
        put(cpu, "system_ns", at.cpuacct + "/cpuacct.usage_sys");
        if (const auto each = read_at(AT_FDCWD, at.cpuacct + "/cpuacct.usage_percpu")) {
            Json& list = cpu["percpu_ns"] = Json::array();
            for (std::string_view word : split(*each, ' ')) {
                std::uint64_t n = 0;
                if (std::from_chars(word.data(), word.data() + word.size(), n).ec == std::errc()) list.push_back(n);
            }
        }
    }
    if (!at.cpu.empty())
        for (const auto& [name, value] : read_table(at.cpu + "/cpu.stat")) {
            if (name == "nr_periods") cpu["periods"] = value;
            if (name == "nr_throttled") cpu["throttled_periods"] = value;
            if (name == "throttled_time") cpu["throttled_ns"] = value;
        }
    if (!at.memory.empty()) {
        Json& memory = out["memory"] = Json::object();
        put(memory, "usage", at.memory + "/memory.usage_in_bytes");
        put(memory, "max_usage", at.memory + "/memory.max_usage_in_bytes");
        put(memory, "limit", at.memory + "/memory.limit_in_bytes");
        put(memory, "failcnt", at.memory + "/memory.failcnt");
        for (const auto& [name, value] : read_table(at.memory + "/memory.oom_control"))
            if (name == "oom_kill") memory["oom_kill"] = value;
        Json& table = memory["stats"] = Json::object();
        for (const auto& [name, value] : read_table(at.memory + "/memory.stat")) table[name] = value;
    }
    if (!at.pids.empty()) {
        Json& pids = out["pids"] = Json::object();
        put(pids, "current", at.pids + "/pids.current");
        put(pids, "limit", at.pids + "/pids.max");
    }
    if (!at.blkio.empty()) read_block_io(at.blkio, out);
}

}  // namespace gantry::native
