#include <unistd.h>

#include <cmath>

#include "core/cli/format.hpp"
#include "core/cli/handlers.hpp"
#include "core/cli/json_access.hpp"
#include "core/cli/terminal.hpp"
#include "core/cli/units.hpp"

namespace gantry::cli {
namespace {

std::string percent(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.2f%%", value);
    return text;
}

double cpu_percent(const Json& now, const Json& before) {
    double used = as_real(member(now, "cpu_stats", "cpu_usage", "total_usage")) -
                  as_real(member(before, "cpu_stats", "cpu_usage", "total_usage"));
    double passed = as_real(member(now, "cpu_stats", "system_cpu_usage")) -
                    as_real(member(before, "cpu_stats", "system_cpu_usage"));
    double cpus = as_real(member(now, "cpu_stats", "online_cpus"));
    return used > 0 && passed > 0 ? used / passed * std::max(cpus, 1.0) * 100 : 0;
}

// What the page cache could give back does not count as used.
double memory_used(const Json& memory) {
    double usage = as_real(member(memory, "usage"));
    for (const char* key : {"total_inactive_file", "inactive_file"})
        if (double cache = as_real(member(memory, "stats", key)); cache > 0 && cache < usage) return usage - cache;
    return usage;
}

std::pair<double, double> network_bytes(const Json& networks) {
    double in = 0, out = 0;
    if (networks.is_object())
        for (const Json& one : networks) {
            in += as_real(member(one, "rx_bytes"));
            out += as_real(member(one, "tx_bytes"));
        }
    return {in, out};
}

std::pair<double, double> block_bytes(const Json& entries) {
    double in = 0, out = 0;
    if (entries.is_array())
        for (const Json& entry : entries) {
            std::string operation = text_at(entry, "op");
            char first = operation.empty() ? ' ' : operation[0];
            if (first == 'r' || first == 'R') in += as_real(member(entry, "value"));
            if (first == 'w' || first == 'W') out += as_real(member(entry, "value"));
        }
    return {in, out};
}

Json row(const std::string& id, const Json& now, const Json& before, bool shortened) {
    std::string name = text_at(now, "name");
    if (name.starts_with("/")) name.erase(0, 1);
    double used = memory_used(member(now, "memory_stats")), limit = as_real(member(now, "memory_stats", "limit"));
    auto [in, out] = network_bytes(member(now, "networks"));
    auto [read, written] = block_bytes(member(now, "blkio_stats", "io_service_bytes_recursive"));
    return Json{{"ID", shortened ? id.substr(0, 12) : id},
                {"Container", shortened ? id.substr(0, 12) : id},
                {"Name", name},
                {"CPUPerc", percent(cpu_percent(now, before))},
                {"MemUsage", human_size_binary(used) + " / " + human_size_binary(limit)},
                {"MemPerc", percent(limit > 0 ? used / limit * 100 : 0)},
                {"NetIO", human_size(in) + " / " + human_size(out)},
                {"BlockIO", human_size(read) + " / " + human_size(written)},
                {"PIDs", std::to_string(number_at(now, "pids_stats", "current"))}};
}

// The containers of one round: those named, or all that run (with `all`: all there are).
Result<std::vector<std::string>> round_ids(Client& client, const std::vector<std::string>& named, bool all) {
    if (!named.empty()) return named;
    GANTRY_TRY(Json list, client.get(all ? "/containers/json?all=1" : "/containers/json"));
    std::vector<std::string> ids;
    if (list.is_array())
        for (const Json& container : list) ids.push_back(text_at(container, "Id"));
    return ids;
}

}  // namespace

Result<int> stats(Call& call) {
    bool all = false, no_stream = false, no_trunc = false;
    std::string format;
    Flags flags;
    flags.boolean(all, 'a', "all", "Show all containers (default shows just running)");
    flags.boolean(no_stream, 0, "no-stream", "Disable streaming stats and only pull the first result");
    flags.boolean(no_trunc, 0, "no-trunc", "Do not truncate output");
    flags.text(format, 0, "format",
               "Format output using a custom template: 'table', 'table TEMPLATE', 'json' or 'TEMPLATE'");
    auto args = call.parse(flags, at_least(0));
    if (!args) return call.exit_code();
    Client& client = call.client();
    ListShape shape{{"ID", "Name", "CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs"},
                    {{"ID", "CONTAINER ID"},
                     {"CPUPerc", "CPU %"},
                     {"MemUsage", "MEM USAGE / LIMIT"},
                     {"MemPerc", "MEM %"},
                     {"NetIO", "NET I/O"},
                     {"BlockIO", "BLOCK I/O"}}};
    // Use of the CPU is the difference of two samples, so the first round shows nothing.
    std::map<std::string, Json> before;
    bool in_place = !no_stream && can_draw(1);
    for (bool first = true;; first = false) {
        GANTRY_TRY(std::vector<std::string> ids, round_ids(client, *args, all));
        std::map<std::string, Json> samples;
        std::vector<Json> rows;
        for (const std::string& id : ids) {
            auto sample = client.get("/containers/" + path_escape(id) + "/stats?stream=0&one-shot=1");
            if (!sample && (sample.error().code != Code::not_found || !args->empty())) return sample.error();
            if (!sample) continue;  // removed since the list was made
            std::string full = text_at(*sample, "id").empty() ? id : text_at(*sample, "id");
            auto last = before.find(full);
            rows.push_back(row(full, *sample, last == before.end() ? *sample : last->second, !no_trunc));
            samples[full] = std::move(*sample);
        }
        if (!first) {
            GANTRY_TRY(std::string text, format_list(rows, shape, format));
            if (in_place) print_control(1, "\x1b[H\x1b[2J");
            print_out(text);
            if (no_stream) return 0;
        }
        before = std::move(samples);
        ::usleep(first ? 300000 : 1000000);
    }
}

}  // namespace gantry::cli
