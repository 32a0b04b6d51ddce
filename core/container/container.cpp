#include "core/container/container.hpp"

#include <signal.h>
#include <sys/utsname.h>

#include "core/base/text.hpp"

namespace gantry::container {
namespace {
constexpr std::pair<Status, std::string_view> status_names[] = {
    {Status::created, "created"},   {Status::running, "running"},
    {Status::paused, "paused"},     {Status::restarting, "restarting"},
    {Status::removing, "removing"}, {Status::exited, "exited"},
    {Status::dead, "dead"},
};
}  // namespace

std::string_view name_of(Status status) {
    for (const auto& [value, name] : status_names)
        if (value == status) return name;
    return "dead";
}

Result<Status> parse_status(std::string_view text) {
    for (const auto& [value, name] : status_names)
        if (name == text) return value;
    return fail(Code::invalid, "invalid container status \"" + std::string(text) + "\"");
}

void to_json(Json& j, const MountPoint& m) {
    j = {{"type", m.type},
         {"name", m.name},
         {"driver", m.driver},
         {"source", m.source},
         {"destination", m.destination},
         {"mode", m.mode},
         {"propagation", m.propagation},
         {"writable", m.writable},
         {"recursive", m.recursive},
         {"create_source", m.create_source},
         {"copy", m.copy},
         {"anonymous", m.anonymous},
         {"subpath", m.subpath},
         {"tmpfs_options", m.tmpfs_options}};
}

void from_json(const Json& j, MountPoint& m) {
    m.type = j.at("type");
    m.name = j.value("name", "");
    m.driver = j.value("driver", "");
    m.source = j.value("source", "");
    m.destination = j.at("destination");
    m.mode = j.value("mode", "");
    m.propagation = j.value("propagation", "");
    m.writable = j.value("writable", true);
    m.recursive = j.value("recursive", true);
    m.create_source = j.value("create_source", false);
    m.copy = j.value("copy", true);
    m.anonymous = j.value("anonymous", false);
    m.subpath = j.value("subpath", "");
    m.tmpfs_options = j.value("tmpfs_options", std::vector<std::string>{});
}

void to_json(Json& j, const State& s) {
    j = {{"status", name_of(s.status)},
         {"pid", s.pid},
         {"exit_code", s.exit_code},
         {"oom_killed", s.oom_killed},
         {"error", s.error},
         {"started", s.started_ns},
         {"finished", s.finished_ns},
         {"restart_count", s.restart_count},
         {"stopped_by_user", s.stopped_by_user},
         {"boot_id", s.boot_id}};
}

void from_json(const Json& j, State& s) {
    auto status = parse_status(j.value("status", "created"));
    s.status = status ? *status : Status::dead;
    s.pid = j.value("pid", 0);
    s.exit_code = j.value("exit_code", 0);
    s.oom_killed = j.value("oom_killed", false);
    s.error = j.value("error", "");
    s.started_ns = j.value("started", std::int64_t{0});
    s.finished_ns = j.value("finished", std::int64_t{0});
    s.restart_count = j.value("restart_count", 0);
    s.stopped_by_user = j.value("stopped_by_user", false);
    s.boot_id = j.value("boot_id", "");
}

Json Container::to_body() const {
    return {{"created", created_ns},  {"image", image},     {"image_id", image_id},
            {"platform", platform},   {"config", config},   {"host_config", host_config},
            {"endpoints", endpoints}, {"path", path},       {"args", args},
            {"mounts", mounts},       {"runtime", runtime}, {"layer_driver", layer_driver},
            {"layer", layer},         {"state", state},     {"health", health}};
}

Result<Container> Container::from_body(const std::string& id, const std::string& name, const Json& body) {
    try {
        Container c;
        c.id = id;
        c.name = name;
        c.created_ns = body.at("created");
        c.image = body.at("image");
        c.image_id = body.at("image_id");
        c.platform = body.at("platform");
        c.config = body.at("config");
        c.host_config = body.at("host_config");
        c.endpoints = body.at("endpoints");
        c.path = body.at("path");
        c.args = body.at("args");
        c.mounts = body.at("mounts").get<std::vector<MountPoint>>();
        c.runtime = body.at("runtime");
        c.layer_driver = body.at("layer_driver");
        c.layer = body.at("layer");
        c.state = body.at("state");
        c.health = body.value("health", Json::object());
        if (!c.config.is_object() || !c.host_config.is_object())
            return fail(Code::corrupt, "its configuration is not an object");
        return c;
    } catch (const Json::exception& e) {
        return fail(Code::corrupt, e.what());
    }
}

std::string Container::stop_signal() const {
    std::string signal = config.value("StopSignal", "");
    return signal.empty() ? "SIGTERM" : signal;
}

std::string host_name() {
    utsname names{};
    return ::uname(&names) == 0 ? names.nodename : "localhost";
}

Result<int> parse_signal(std::string_view text) {
    if (auto number = parse_int(text)) {
        if (*number >= 1 && *number <= 64) return static_cast<int>(*number);
        return fail(Code::invalid, "invalid signal: " + std::string(text));
    }
    std::string name = to_lower(text);
    if (name.starts_with("sig")) name.erase(0, 3);
    for (int number = 1; number < 32; ++number)
        if (const char* known = ::sigabbrev_np(number); known && to_lower(known) == name) return number;
    if (name.starts_with("rtmin") || name.starts_with("rtmax")) {
        std::string_view offset = std::string_view(name).substr(5);
        auto value = offset.empty() ? std::optional<std::int64_t>(0)
                                    : parse_int(offset.starts_with("+") ? offset.substr(1) : offset);
        // The kernel's numbers, not glibc's, which keeps the first two for itself.
        std::int64_t number = (name.starts_with("rtmin") ? 34 : 64) + value.value_or(1000);
        if (number >= 34 && number <= 64) return static_cast<int>(number);
    }
    return fail(Code::invalid, "invalid signal: " + std::string(text));
}

}  // namespace gantry::container
