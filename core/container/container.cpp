#include "core/container/container.hpp"

#include <signal.h>
#include <sys/utsname.h>

#include "core/base/text.hpp"
#include "core/container/config_shape.hpp"
#include "core/store/members.hpp"

namespace gantry::container {
namespace {
constexpr std::pair<Status, std::string_view> status_names[] = {
    {Status::created, "created"},   {Status::running, "running"},
    {Status::paused, "paused"},     {Status::restarting, "restarting"},
    {Status::removing, "removing"}, {Status::exited, "exited"},
    {Status::dead, "dead"},
};

Result<MountPoint> read_mount(const Json& body) {
    MountPoint m;
    GANTRY_CHECK(store::Members(body)
                     .required("type", m.type)
                     .required("name", m.name)
                     .required("driver", m.driver)
                     .required("source", m.source)
                     .required("destination", m.destination)
                     .required("mode", m.mode)
                     .required("propagation", m.propagation)
                     .required("writable", m.writable)
                     .required("recursive", m.recursive)
                     .required("create_source", m.create_source)
                     .required("copy", m.copy)
                     .required("anonymous", m.anonymous)
                     .required("subpath", m.subpath)
                     .required("tmpfs_options", m.tmpfs_options)
                     .result()
                     .context("a mount"));
    if (m.type != "volume" && m.type != "bind" && m.type != "tmpfs" && m.type != "image")
        return fail(Code::corrupt, "a mount has the unknown type \"" + m.type + "\"");
    return m;
}

Result<State> read_state(const Json& body) {
    State s;
    std::string status;
    GANTRY_CHECK(store::Members(body)
                     .required("status", status)
                     .required("pid", s.pid)
                     .required("exit_code", s.exit_code)
                     .required("oom_killed", s.oom_killed)
                     .required("error", s.error)
                     .required("started", s.started_ns)
                     .required("finished", s.finished_ns)
                     .required("restart_count", s.restart_count)
                     .required("stopped_by_user", s.stopped_by_user)
                     .required("boot_id", s.boot_id)
                     .optional("with_volumes", s.with_volumes)
                     .result()
                     .context("its state"));
    auto known = parse_status(status);
    if (!known) return fail(Code::corrupt, known.error().text);
    s.status = *known;
    return s;
}

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
         {"boot_id", s.boot_id},
         {"with_volumes", s.with_volumes}};
}

Json Container::to_body() const {
    Json body{{"created", created_ns},  {"image", image},     {"image_id", image_id},
              {"platform", platform},   {"config", config},   {"host_config", host_config},
              {"endpoints", endpoints}, {"path", path},       {"args", args},
              {"mounts", mounts},       {"runtime", runtime}, {"layer_driver", layer_driver},
              {"layer", layer},         {"state", state},     {"health", health}};
    if (!image_manifest.is_null()) body["image_manifest"] = image_manifest;
    for (const Link& link : links) body["links"].push_back({{"target", link.target}, {"alias", link.alias}});
    return body;
}

Result<Container> Container::from_body(const std::string& id, const std::string& name, const Json& body) {
    Container c;
    c.id = id;
    c.name = name;
    std::vector<Json> mounts, links;
    Json state, health = {{"status", "none"}, {"failing_streak", 0}};
    GANTRY_CHECK(store::Members(body)
                     .required("created", c.created_ns)
                     .required("image", c.image)
                     .required("image_id", c.image_id)
                     .required("platform", c.platform)
                     .object("config", c.config)
                     .object("host_config", c.host_config)
                     .object("endpoints", c.endpoints)
                     .required("path", c.path)
                     .required("args", c.args)
                     .required("mounts", mounts)
                     .required("runtime", c.runtime)
                     .required("layer_driver", c.layer_driver)
                     .required("layer", c.layer)
                     .object("state", state)
                     .optional("health", health)
                     .optional("image_manifest", c.image_manifest)
                     .optional("links", links)
                     .result());
    if (!c.image_manifest.is_null() && !c.image_manifest.is_object())
        return fail(Code::corrupt, "\"image_manifest\" is not an object");
    if (auto shape = check_shape(c.config, c.host_config, c.endpoints); !shape)
        return fail(Code::corrupt, shape.error().text);
    for (const Json& mount : mounts) {
        GANTRY_TRY(MountPoint point, read_mount(mount));
        c.mounts.push_back(std::move(point));
    }
    for (const Json& one : links) {
        Link link;
        GANTRY_CHECK(store::Members(one)
                         .required("target", link.target)
                         .required("alias", link.alias)
                         .result()
                         .context("its links"));
        c.links.push_back(std::move(link));
    }
    GANTRY_TRY(c.state, read_state(state));
    GANTRY_CHECK(store::Members(health)
                     .required("status", c.health.status)
                     .required("failing_streak", c.health.failing_streak)
                     .result()
                     .context("its health"));
    return c;
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
