#include <fcntl.h>

#include <charconv>

#include "cgroup_files.hpp"
#include "cgroups.hpp"
#include "kernel.hpp"
#include "spec.hpp"

namespace gantry::native {
namespace {

using Missing = Setting::Missing;

std::string limit_text(std::int64_t n) { return n < 0 ? "max" : std::to_string(n); }

// "8:0 rbytes=1 wbytes=2 rios=3 wios=4 ..." lines.
Json read_block_io(const std::string& directory) {
    Json list = Json::array();
    const auto text = read_at(AT_FDCWD, directory + "/io.stat");
    if (!text) return list;
    const auto value = [](std::string_view t) {
        std::uint64_t n = 0;
        std::from_chars(t.data(), t.data() + t.size(), n);
        return n;
    };
    for (std::string_view line : split(*text, '\n')) {
        const auto words = split(line, ' ');
        const auto colon = words[0].find(':');
        if (words.size() < 2 || colon == std::string_view::npos) continue;
        const auto of = [&](std::string_view key) {
            for (std::string_view word : words)
                if (word.size() > key.size() && word.starts_with(key) && word[key.size()] == '=')
                    return value(word.substr(key.size() + 1));
            return std::uint64_t{0};
        };
        const Json base{{"major", value(words[0].substr(0, colon))}, {"minor", value(words[0].substr(colon + 1))}};
        constexpr const char* kinds[][3] = {
            {"read", "rbytes", "rios"}, {"write", "wbytes", "wios"}, {"discard", "dbytes", "dios"}};
        for (const auto& kind : kinds) {
            Json entry = base;
            entry["op"] = kind[0];
            entry["bytes"] = of(kind[1]);
            entry["ios"] = of(kind[2]);
            list.push_back(std::move(entry));
        }
    }
    return list;
}

}  // namespace

Result<std::vector<Setting>> v2_settings(const Resources& r) {
    std::vector<Setting> out;
    const auto add = [&](const char* controller, std::string file, std::string value,
                         Missing missing = Missing::refuse) {
        out.push_back({controller, std::move(file), std::move(value), missing});
    };
    if (r.memory_limit != unset && r.memory_limit != 0) add("memory", "memory.max", limit_text(r.memory_limit));
    if (r.memory_swap != unset && r.memory_swap != 0) {
        // v1 counts memory and swap together, v2 swap alone.
        if (r.memory_swap > 0 && r.memory_limit > 0 && r.memory_swap < r.memory_limit)
            return fail(Code::invalid,
                        "the limit of memory and swap, " + std::to_string(r.memory_swap) + ", is below that of memory");
        const std::int64_t swap = r.memory_swap < 0 ? -1 : r.memory_limit > 0 ? r.memory_swap - r.memory_limit : unset;
        if (swap != unset) add("memory", "memory.swap.max", limit_text(swap), Missing::warn);
    }
    if (r.memory_reservation != unset && r.memory_reservation != 0)
        add("memory", "memory.low", limit_text(r.memory_reservation));
    if (r.cpu_shares != unset && r.cpu_shares != 0) {
        const std::int64_t shares = r.cpu_shares < 2 ? 2 : r.cpu_shares;
        add("cpu", "cpu.weight", std::to_string(1 + ((shares - 2) * 9999) / 262142));
    }
    if ((r.cpu_quota != unset && r.cpu_quota != 0) || (r.cpu_period != unset && r.cpu_period != 0)) {
        const std::string quota = r.cpu_quota > 0 ? std::to_string(r.cpu_quota) : "max";
        const std::string period = r.cpu_period > 0 ? std::to_string(r.cpu_period) : "100000";
        add("cpu", "cpu.max", quota + " " + period);
    }
    if (r.cpu_burst != unset) add("cpu", "cpu.max.burst", std::to_string(r.cpu_burst));
    if (r.cpu_idle != unset) add("cpu", "cpu.idle", std::to_string(r.cpu_idle));
    if (!r.cpus.empty()) add("cpuset", "cpuset.cpus", r.cpus);
    if (!r.mems.empty()) add("cpuset", "cpuset.mems", r.mems);
    if (r.pids_limit != unset) add("pids", "pids.max", r.pids_limit <= 0 ? "max" : std::to_string(r.pids_limit));
    if (r.blkio_weight > 0) {
        const std::int64_t weight = r.blkio_weight < 10 ? 10 : r.blkio_weight;
        add("io", "io.weight", "default " + std::to_string(1 + (weight - 10) * 9999 / 990), Missing::warn);
    }
    for (const ThrottleDevice& device : r.throttle) {
        const std::string key = device.file == "read_bps_device"    ? "rbps"
                                : device.file == "write_bps_device" ? "wbps"
                                : device.file == "read_iops_device" ? "riops"
                                                                    : "wiops";
        const std::string rate = device.rate == 0 ? "max" : std::to_string(device.rate);
        add("io", "io.max", std::to_string(device.major) + ":" + std::to_string(device.minor) + " " + key + "=" + rate);
    }
    for (const auto& [size, limit] : r.huge_pages) add("hugetlb", "hugetlb." + size + ".max", std::to_string(limit));
    return out;
}

void v2_stats(const std::string& at, Json& out) {
    const auto put = [](Json& to, const char* key, const std::string& file) {
        if (const auto n = read_number(file)) to[key] = *n;
    };
    Json& cpu = out["cpu"] = Json::object();
    for (const auto& [name, value] : read_table(at + "/cpu.stat")) {
        if (name == "usage_usec") cpu["usage_ns"] = value * 1000;
        if (name == "user_usec") cpu["user_ns"] = value * 1000;
        if (name == "system_usec") cpu["system_ns"] = value * 1000;
        if (name == "nr_periods") cpu["periods"] = value;
        if (name == "nr_throttled") cpu["throttled_periods"] = value;
        if (name == "throttled_usec") cpu["throttled_ns"] = value * 1000;
    }
    Json& memory = out["memory"] = Json::object();
    put(memory, "usage", at + "/memory.current");
    put(memory, "max_usage", at + "/memory.peak");
    put(memory, "limit", at + "/memory.max");
    for (const auto& [name, value] : read_table(at + "/memory.events")) {
        if (name == "max") memory["failcnt"] = value;
        if (name == "oom_kill") memory["oom_kill"] = value;
    }
    Json& table = memory["stats"] = Json::object();
    for (const auto& [name, value] : read_table(at + "/memory.stat")) table[name] = value;
    Json& pids = out["pids"] = Json::object();
    put(pids, "current", at + "/pids.current");
    put(pids, "limit", at + "/pids.max");
    out["blkio"] = read_block_io(at);
}

}  // namespace gantry::native
