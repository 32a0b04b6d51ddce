// top, stats, changes, update, and networks of a running container.
#include <fcntl.h>
#include <unistd.h>

#include <thread>

#include "core/base/clock.hpp"
#include "core/base/files.hpp"
#include "core/base/text.hpp"
#include "core/container/entry.hpp"
#include "core/container/mount_points.hpp"
#include "core/container/network_wishes.hpp"

namespace gantry::container {
namespace {

std::vector<std::string> words(std::string_view line, std::size_t most) {
    std::vector<std::string> result;
    std::size_t at = 0;
    while (at < line.size()) {
        at = line.find_first_not_of(" \t", at);
        if (at == std::string_view::npos) break;
        std::size_t end = result.size() + 1 == most ? line.size() : line.find_first_of(" \t", at);
        if (end == std::string_view::npos) end = line.size();
        result.emplace_back(trim(line.substr(at, end - at)));
        at = end;
    }
    return result;
}

// Ticks of all processors since boot, in nanoseconds: the other half of a CPU percentage.
std::int64_t system_cpu_ns() {
    auto text = read_file("/proc/stat", 1 << 20);
    if (!text) return 0;
    std::int64_t ticks = 0;
    auto fields = words(std::string_view(*text).substr(0, text->find('\n')), 99);
    for (std::size_t i = 1; i < fields.size() && i <= 8; ++i) ticks += parse_int(fields[i]).value_or(0);
    return ticks * (1'000'000'000 / ::sysconf(_SC_CLK_TCK));
}

std::int64_t host_memory() { return std::int64_t{::sysconf(_SC_PHYS_PAGES)} * ::sysconf(_SC_PAGESIZE); }

Json cpu_stats(const Json& cpu) {
    Json usage{{"total_usage", cpu.value("usage_ns", std::int64_t{0})},
               {"usage_in_kernelmode", cpu.value("system_ns", std::int64_t{0})},
               {"usage_in_usermode", cpu.value("user_ns", std::int64_t{0})}};
    if (cpu.contains("percpu_ns")) usage["percpu_usage"] = cpu["percpu_ns"];
    return {{"cpu_usage", usage},
            {"system_cpu_usage", system_cpu_ns()},
            {"online_cpus", ::sysconf(_SC_NPROCESSORS_ONLN)},
            {"throttling_data",
             {{"periods", cpu.value("periods", std::int64_t{0})},
              {"throttled_periods", cpu.value("throttled_periods", std::int64_t{0})},
              {"throttled_time", cpu.value("throttled_ns", std::int64_t{0})}}}};
}

Json memory_stats(const Json& memory) {
    Json result{{"usage", memory.value("usage", std::int64_t{0})}, {"stats", memory.value("stats", Json::object())}};
    if (memory.contains("max_usage")) result["max_usage"] = memory["max_usage"];
    if (memory.contains("failcnt")) result["failcnt"] = memory["failcnt"];
    std::int64_t limit = memory.value("limit", std::int64_t{0});
    result["limit"] = limit > 0 && limit < host_memory() ? limit : host_memory();
    return result;
}

Json blkio_stats(const Json& entries) {
    Json bytes = Json::array(), operations = Json::array();
    for (const Json& e : entries) {
        bytes.push_back({{"major", e.value("major", 0)},
                         {"minor", e.value("minor", 0)},
                         {"op", e.value("op", "")},
                         {"value", e.value("bytes", std::int64_t{0})}});
        operations.push_back({{"major", e.value("major", 0)},
                              {"minor", e.value("minor", 0)},
                              {"op", e.value("op", "")},
                              {"value", e.value("ios", std::int64_t{0})}});
    }
    return {{"io_service_bytes_recursive", bytes}, {"io_serviced_recursive", operations},
            {"io_queue_recursive", nullptr},       {"io_service_time_recursive", nullptr},
            {"io_wait_time_recursive", nullptr},   {"io_merged_recursive", nullptr},
            {"io_time_recursive", nullptr},        {"sectors_recursive", nullptr}};
}

}  // namespace

Result<std::shared_ptr<Monitor>> ContainerService::monitor_of(Entry& entry) {
    std::lock_guard lock(entry.mutex);
    if (!entry.record.active() || !entry.monitor)
        return fail(Code::conflict, "container " + entry.record.id + " is not running");
    return entry.monitor;
}

Result<Json> ContainerService::top(const std::string& ref, const std::string& ps_arguments) {
    GANTRY_CHECK(launcher_ready());
    GANTRY_TRY(EntryPtr entry, find(ref));
    GANTRY_TRY(auto monitor, monitor_of(*entry));
    GANTRY_TRY(Json pids, monitor->driver_call("runtime.stats/1", "pids", {{"id", entry->id()}}));
    std::set<std::int64_t> inside;
    for (const Json& pid : pids.value("pids", Json::array())) inside.insert(pid.get<std::int64_t>());

    std::vector<std::string> command{"/usr/bin/ps"};
    for (const auto& word : words(ps_arguments.empty() ? "-ef" : ps_arguments, 64)) {
        // ps has no option that writes or runs anything; this keeps a client from naming files all the same.
        if (word.find('/') != std::string::npos) return fail(Code::invalid, "invalid ps argument \"" + word + "\"");
        command.push_back(word);
    }
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno("pipe");
    UniqueFd reading(ends[0]), writing(ends[1]);
    Result<std::string> output = std::string();
    std::thread reader([&] { output = read_all(reading.get(), 16u << 20); });
    const int fds[3] = {-1, writing.get(), -1};
    auto status = launcher_->spawn(command, {"PATH=/usr/bin:/bin", "LC_ALL=C"}, fds, 10'000);
    writing.reset();
    reader.join();
    if (!status) return std::move(status).error().context("run ps on the host");
    if (*status != 0 || !output)
        return fail(Code::invalid,
                    "ps failed with exit status " + std::to_string(*status) + " for \"" + ps_arguments + "\"");
    auto lines = split(*output, '\n');
    std::vector<std::string> titles = words(lines[0], 99);
    std::size_t column = static_cast<std::size_t>(std::find(titles.begin(), titles.end(), "PID") - titles.begin());
    if (column == titles.size()) return fail(Code::invalid, "Couldn't find PID field in ps output");
    Json processes = Json::array();
    for (std::size_t i = 1; i < lines.size(); ++i) {
        auto fields = words(lines[i], titles.size());
        if (fields.size() <= column) continue;
        if (auto pid = parse_int(fields[column]); pid && inside.contains(*pid)) processes.push_back(fields);
    }
    return Json{{"Titles", titles}, {"Processes", processes}};
}

Result<Json> ContainerService::stats(const std::string& ref) {
    GANTRY_TRY(EntryPtr entry, find(ref));
    Container c = entry->snapshot();
    Json result{{"id", c.id},
                {"name", "/" + c.name},
                {"read", rfc3339(wall_clock_ns())},
                {"preread", "0001-01-01T00:00:00Z"},
                {"os_type", "linux"},
                {"num_procs", 0},
                {"storage_stats", Json::object()}};
    auto monitor = monitor_of(*entry);
    if (!monitor) {  // not running: Docker answers with empty figures
        for (const char* key : {"cpu_stats", "precpu_stats", "memory_stats", "pids_stats", "blkio_stats", "networks"})
            result[key] = Json::object();
        return result;
    }
    GANTRY_TRY(Json figures, (*monitor)->driver_call("runtime.stats/1", "stats", {{"id", c.id}}));
    result["cpu_stats"] = cpu_stats(figures.value("cpu", Json::object()));
    result["memory_stats"] = memory_stats(figures.value("memory", Json::object()));
    Json pids = figures.value("pids", Json::object());
    result["pids_stats"] = pids;
    result["blkio_stats"] = blkio_stats(figures.value("blkio", Json::array()));
    if (auto networks = with_.networks.stats(c.id)) result["networks"] = *networks;
    return result;
}

// As the layer driver tells them, the engine's own mount points among them.
Result<std::vector<Change>> ContainerService::layer_changes(const Container& c) {
    GANTRY_TRY(auto layers, with_.drivers.get(driver::Kind::layer, c.layer_driver));
    GANTRY_TRY(driver::Reply reply,
               layers->call("layer/1", "changes", {{"key", c.layer}}, {}, driver::Deadline::longer));
    std::vector<Change> found;
    for (const Json& change : reply.result.value("changes", Json::array())) {
        std::string kind = change.value("kind", "");
        found.emplace_back(change.value("path", ""), kind == "modified" ? 0 : kind == "added" ? 1 : 2);
    }
    return found;
}

Result<Json> ContainerService::changes(const std::string& ref) {
    GANTRY_TRY(EntryPtr entry, find(ref));
    GANTRY_TRY(auto found, layer_changes(entry->snapshot()));
    (void)hide_mount_points(found);
    Json list = Json::array();
    for (const auto& [path, kind] : found) list.push_back({{"Path", path}, {"Kind", kind}});
    return list;
}

Result<void> ContainerService::connect_network(const std::string& network, const Json& body) {
    GANTRY_CHECK(launcher_ready());
    GANTRY_TRY(EntryPtr entry, find(body.value("Container", "")));
    GANTRY_TRY(network::EndpointWish wish, endpoint_wish(network, body.value("EndpointConfig", Json())));
    std::lock_guard operation(entry->operation);
    Container c = entry->snapshot();
    if (c.network_mode() == "host" || c.network_mode() == "none" || c.network_mode().starts_with("container:"))
        return fail(Code::denied,
                    "container sharing network namespace with another container or host cannot be connected to any "
                    "other network");
    Json settings;
    if (c.active()) {
        auto netns = open_file("/proc/" + std::to_string(c.state.pid) + "/ns/net", O_RDONLY);
        if (!netns) return std::move(netns).error();
        GANTRY_TRY(settings, with_.networks.connect(network, c.id, c.name, wish, netns->get()));
    } else {
        GANTRY_CHECK(with_.networks.id_of(network));
    }
    GANTRY_TRY(Json object, with_.networks.inspect(network));
    std::string name = object.value("Name", network);
    std::lock_guard lock(entry->mutex);
    if (entry->record.endpoints.empty()) {
        // From now on its networks are listed one by one, so that the one it had is not forgotten at the next start.
        std::string mode = c.network_mode();
        entry->record.endpoints[mode == "default" ? std::string(network::default_network) : mode] = Json::object();
    }
    entry->record.endpoints[name] =
        body.contains("EndpointConfig") && body["EndpointConfig"].is_object() ? body["EndpointConfig"] : Json::object();
    if (c.active()) entry->network_settings[name] = settings;
    return save(*entry);
}

Result<void> ContainerService::disconnect_network(const std::string& network, const Json& body) {
    GANTRY_CHECK(launcher_ready());
    GANTRY_TRY(EntryPtr entry, find(body.value("Container", "")));
    GANTRY_TRY(Json object, with_.networks.inspect(network));
    std::string name = object.value("Name", network);
    std::lock_guard operation(entry->operation);
    Container c = entry->snapshot();
    bool listed = c.endpoints.contains(name),
         by_mode = c.endpoints.empty() &&
                   (c.network_mode() == name || (c.network_mode() == "default" && name == network::default_network));
    if (!listed && !by_mode) return fail(Code::denied, "container " + c.id + " is not connected to network " + name);
    if (c.active()) {
        auto netns = open_file("/proc/" + std::to_string(c.state.pid) + "/ns/net", O_RDONLY);
        if (!netns) return std::move(netns).error();
        GANTRY_CHECK(with_.networks.disconnect(network, c.id, netns->get(), body.value("Force", false)));
    }
    std::lock_guard lock(entry->mutex);
    entry->record.endpoints.erase(name);
    entry->network_settings.erase(name);
    return save(*entry);
}

}  // namespace gantry::container
