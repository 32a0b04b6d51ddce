#include "core/container/view.hpp"

#include <algorithm>

#include "core/base/clock.hpp"
#include "core/base/text.hpp"
#include "core/monitor/log_format.hpp"

namespace gantry::container {
namespace {

Json mount_points(const Container& c) {
    Json list = Json::array();
    for (const MountPoint& m : c.mounts) {
        if (m.type == "tmpfs" && c.host_config["Tmpfs"].contains(m.destination))
            continue;  // shown in HostConfig.Tmpfs alone, as Docker does
        Json point{{"Type", m.type}, {"Source", m.source}, {"Destination", m.destination},
                   {"Mode", m.mode}, {"RW", m.writable},   {"Propagation", m.type == "bind" ? m.propagation : ""}};
        if (m.type == "volume") {
            point["Name"] = m.name;
            point["Driver"] = m.driver;
        }
        if (m.type == "image") point["Name"] = m.name;
        list.push_back(std::move(point));
    }
    return list;
}

// "80/tcp" -> [{"HostIp", "HostPort"}] of what is bound, and null for what is only exposed.
Json port_map(const Snapshot& s) {
    Json ports = Json::object();
    if (!s.container.active()) return ports;
    for (const auto& [text, unused] : s.container.config["ExposedPorts"].items()) ports[text] = nullptr;
    for (const auto& port : s.ports) {
        Json& list = ports[std::to_string(port.container_port) + "/" + port.protocol];
        list.push_back(
            {{"HostIp", port.host_address}, {"HostPort", port.of_host() ? std::to_string(port.host_port) : ""}});
    }
    return ports;
}

// The networks it is on; those it would be on while it does not run, with nothing in them.
Json networks(const Snapshot& s) {
    if (s.networks.is_object() && !s.networks.empty()) return s.networks;
    Json result = Json::object();
    auto idle = [](const Json& asked) {
        Json settings{
            {"IPAMConfig", nullptr},   {"Links", nullptr},         {"Aliases", nullptr}, {"DriverOpts", nullptr},
            {"GwPriority", 0},         {"NetworkID", ""},          {"EndpointID", ""},   {"Gateway", ""},
            {"IPAddress", ""},         {"MacAddress", ""},         {"IPPrefixLen", 0},   {"IPv6Gateway", ""},
            {"GlobalIPv6Address", ""}, {"GlobalIPv6PrefixLen", 0}, {"DNSNames", nullptr}};
        if (asked.is_object())
            for (const auto& [key, value] : asked.items())
                if (settings.contains(key) && !value.is_null()) settings[key] = value;
        return settings;
    };
    for (const auto& [name, asked] : s.container.endpoints.items()) result[name] = idle(asked);
    std::string mode = s.container.network_mode();
    if (result.empty() && !mode.starts_with("container:"))
        result[mode == "default" ? std::string(network::default_network) : mode] = idle(Json());
    return result;
}

std::string command_text(const Container& c) {
    std::string text = c.path;
    for (const auto& word : c.args) text += " " + (word.find(' ') == std::string::npos ? word : "'" + word + "'");
    return text;
}

}  // namespace

std::string human_duration(std::int64_t nanoseconds) {
    std::int64_t seconds = nanoseconds / 1'000'000'000, minutes = seconds / 60, hours = (minutes + 30) / 60;
    auto say = [](std::int64_t n, const char* unit) { return std::to_string(n) + " " + unit; };
    if (seconds < 1) return "Less than a second";
    if (seconds == 1) return "1 second";
    if (seconds < 60) return say(seconds, "seconds");
    if (minutes == 1) return "About a minute";
    if (minutes < 60) return say(minutes, "minutes");
    if (hours == 1) return "About an hour";
    if (hours < 48) return say(hours, "hours");
    if (hours < 24 * 7 * 2) return say(hours / 24, "days");
    if (hours < 24 * 30 * 2) return say(hours / 24 / 7, "weeks");
    if (hours < 24 * 365 * 2) return say(hours / 24 / 30, "months");
    return say(hours / 24 / 365, "years");
}

std::string status_text(const State& state, const std::string& health, std::int64_t now_ns) {
    std::string up = "Up " + human_duration(now_ns - state.started_ns);
    if (health == "starting")
        up += " (health: starting)";
    else if (health != "none")
        up += " (" + health + ")";
    std::string ended =
        "(" + std::to_string(state.exit_code) + ") " + human_duration(now_ns - state.finished_ns) + " ago";
    switch (state.status) {
    case Status::running: return up;
    case Status::paused: return up + " (Paused)";
    case Status::restarting: return "Restarting " + ended;
    case Status::removing: return "Removal In Progress";
    case Status::dead: return "Dead";
    case Status::created: return "Created";
    case Status::exited: return "Exited " + ended;
    }
    return {};
}

Json to_inspect(const Snapshot& s) {
    const Container& c = s.container;
    const State& state = c.state;
    bool running = c.active();
    Json container_state{{"Status", name_of(state.status)},
                         {"Running", running || state.status == Status::restarting},
                         {"Paused", state.status == Status::paused},
                         {"Restarting", state.status == Status::restarting},
                         {"OOMKilled", state.oom_killed},
                         {"Dead", state.status == Status::dead},
                         {"Pid", state.pid},
                         {"ExitCode", state.exit_code},
                         {"Error", state.error},
                         {"StartedAt", rfc3339(state.started_ns)},
                         {"FinishedAt", rfc3339(state.finished_ns)}};
    if (c.health.status != "none") container_state["Health"] = c.health.to_api();
    Json network_settings{{"SandboxID", running ? c.id : ""},
                          {"SandboxKey", running && state.pid ? "/proc/" + std::to_string(state.pid) + "/ns/net" : ""},
                          {"Ports", port_map(s)},
                          {"Networks", networks(s)}};
    std::string log_driver = c.host_config["LogConfig"].value("Type", "");
    Json host = c.host_config;
    if (!s.links.empty()) host["Links"] = s.links;
    // What is in force, as Docker shows it, where the user asked for nothing of his own.
    Json result{
        {"Id", c.id},
        {"Created", rfc3339(c.created_ns)},
        {"Path", c.path},
        {"Args", c.args},
        {"State", container_state},
        {"Image", c.image_id},
        {"ResolvConfPath", running ? s.run_directory + "/resolv.conf" : ""},
        {"HostnamePath", running ? s.run_directory + "/hostname" : ""},
        {"HostsPath", running ? s.run_directory + "/hosts" : ""},
        {"LogPath", log_driver == "json-file" ? s.directory + "/log/" + std::string(monitor::json_log_name) : ""},
        {"Name", "/" + c.name},
        {"RestartCount", state.restart_count},
        {"Driver", c.layer_driver},
        {"Platform", c.platform},
        {"MountLabel", ""},
        {"ProcessLabel", ""},
        {"AppArmorProfile", ""},
        {"ExecIDs", s.exec_ids.empty() ? Json() : Json(s.exec_ids)},
        {"HostConfig", host},
        {"Mounts", mount_points(c)},
        {"Config",
         [&] {
             Json config = c.config;
             config["Image"] = c.image;
             return config;
         }()},
        {"GraphDriver", {{"Name", c.layer_driver}, {"Data", nullptr}}},
        {"NetworkSettings", network_settings}};
    if (!c.image_manifest.is_null()) result["ImageManifestDescriptor"] = c.image_manifest;
    return result;
}

Json to_summary(const Snapshot& s) {
    const Container& c = s.container;
    Json ports = Json::array();
    if (c.active()) {
        // One that is reached at the container's own address is shown as those are that are only exposed.
        for (const auto& port : s.ports) {
            Json shown{{"PrivatePort", port.container_port}, {"Type", port.protocol}};
            if (port.of_host()) shown.update({{"IP", port.host_address}, {"PublicPort", port.host_port}});
            if (std::find(ports.begin(), ports.end(), shown) == ports.end()) ports.push_back(std::move(shown));
        }
        for (const auto& [text, unused] : c.config["ExposedPorts"].items()) {
            std::size_t slash = text.find('/');
            auto number = parse_int(text.substr(0, slash));
            std::string protocol = slash == std::string::npos ? "tcp" : text.substr(slash + 1);
            bool bound = std::any_of(s.ports.begin(), s.ports.end(), [&](const network::Port& p) {
                return p.container_port == number && p.protocol == protocol;
            });
            if (number && !bound) ports.push_back({{"PrivatePort", *number}, {"Type", protocol}});
        }
    }
    Json names{"/" + c.name};
    for (const std::string& name : s.link_names) names.push_back(name);
    Json summary{{"Id", c.id},
                 {"Names", names},
                 {"Image", c.image},
                 {"ImageID", c.image_id},
                 {"Command", command_text(c)},
                 {"Created", c.created_ns / 1'000'000'000},
                 {"Ports", ports},
                 {"Labels", c.config["Labels"]},
                 {"State", name_of(c.state.status)},
                 {"Status", status_text(c.state, c.health.status, wall_clock_ns())},
                 {"HostConfig", {{"NetworkMode", c.network_mode()}, {"Annotations", c.host_config["Annotations"]}}},
                 {"NetworkSettings", {{"Networks", networks(s)}}},
                 {"Mounts", mount_points(c)},
                 {"Health", {{"Status", c.health.status}, {"FailingStreak", c.health.failing_streak}}}};
    if (!c.image_manifest.is_null()) summary["ImageManifestDescriptor"] = c.image_manifest;
    return summary;
}

std::optional<PortRange> parse_port_range(const std::string& text) {
    const std::size_t slash = text.find('/'), dash = text.substr(0, slash).find('-');
    PortRange range;
    if (slash != std::string::npos) range.protocol = to_lower(text.substr(slash + 1));
    if (range.protocol != "tcp" && range.protocol != "udp" && range.protocol != "sctp") return std::nullopt;
    const std::string ports = text.substr(0, slash);
    auto low = parse_int(ports.substr(0, dash)),
         high = dash == std::string::npos ? low : parse_int(ports.substr(dash + 1));
    if (!low || !high || *low < 1 || *high > 65535 || *low > *high) return std::nullopt;
    range.low = *low;
    range.high = *high;
    return range;
}

Result<void> check_list_filters(const Filters& filters) {
    const std::vector<std::string> known = {"ancestor", "before", "exited",  "expose",   "health",  "id",
                                            "label",    "label!", "name",    "network",  "publish", "since",
                                            "status",   "volume", "is-task", "isolation"};
    for (const auto& [key, values] : filters) {
        if (std::find(known.begin(), known.end(), key) == known.end())
            return fail(Code::invalid, "invalid filter '" + key + "'");
        for (const auto& value : values) {
            if (key == "status" && !parse_status(value))
                return fail(Code::invalid, "invalid filter 'status=" + value + "'");
            if (key == "exited" && !parse_int(value))
                return fail(Code::invalid, "invalid filter 'exited=" + value + "'");
            if (key == "health" && value != "none" && value != "starting" && value != "healthy" && value != "unhealthy")
                return fail(Code::invalid, "invalid filter 'health=" + value + "'");
            if (key == "is-task" && value != "true" && value != "false" && value != "1" && value != "0")
                return fail(Code::invalid, "invalid filter 'is-task=" + value + "'");
            if ((key == "publish" || key == "expose") && !parse_port_range(value))
                return fail(Code::invalid, "invalid filter '" + key + "=" + value + "'");
        }
    }
    return {};
}

}  // namespace gantry::container
