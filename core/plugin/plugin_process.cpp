#include "core/plugin/plugin_process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "core/base/clock.hpp"
#include "core/base/failpoint.hpp"
#include "core/base/files.hpp"
#include "core/base/ids.hpp"
#include "core/base/log.hpp"
#include "core/base/text.hpp"
#include "core/container/capabilities.hpp"
#include "core/container/seccomp_profile.hpp"
#include "core/container/spec.hpp"
#include "core/network/netns_pool.hpp"
#include "core/plugin/handshake.hpp"
#include "core/plugin/plugin_files.hpp"

namespace gantry::plugin {
namespace {

constexpr const char* sockets_inside = "/run/docker/plugins";
constexpr std::string_view own_hosts = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n";
// Beyond a SIGKILL to everything, the kernel ends processes in moments; what is left stands in an uninterruptible call.
constexpr int kill_patience_ms = 10'000;

bool on_host_network(const Plugin& plugin) { return plugin.content.config["Network"]["Type"] == "host"; }

// As of POST /containers/create: a plugin is confined by the very rules of containers.
Json create_body(const Plugin& plugin) {
    const Json& config = plugin.content.config;
    Json command = config["Entrypoint"];
    for (const Json& argument : plugin.settings["Args"]) command.push_back(argument);
    Json devices = Json::array();
    for (const Json& device : plugin.settings["Devices"])
        devices.push_back(
            {{"PathOnHost", device["Path"]}, {"PathInContainer", device["Path"]}, {"CgroupPermissions", "rwm"}});
    Json host{{"NetworkMode", on_host_network(plugin) ? "host" : "none"},
              {"IpcMode", config["IpcHost"].get<bool>() ? "host" : "private"},
              {"PidMode", config["PidHost"].get<bool>() ? "host" : ""},
              {"CapAdd", config["Linux"]["Capabilities"]},
              {"Devices", std::move(devices)}};
    if (config["Linux"]["AllowAllDevices"].get<bool>()) host["DeviceCgroupRules"] = {"a *:* rwm"};
    return {{"Cmd", std::move(command)},
            {"Env", plugin.settings["Env"]},
            {"WorkingDir", config["WorkDir"]},
            {"HostConfig", std::move(host)}};
}

container::MountPoint bind_point(const std::string& source, const std::string& destination) {
    container::MountPoint point;
    point.type = "bind";
    point.source = source;
    point.destination = destination;
    return point;
}

std::string host_file(const char* path) {
    auto text = read_file(path, 1u << 20);
    return text ? *text : std::string();
}

}  // namespace

struct PluginProcess::Start {
    container::Container c;
    std::vector<Json> mount_options;  // of c.mounts; null: as the specification has them
    container::LaunchRequest request;
    std::vector<UniqueFd> held;
};

Result<void> PluginProcess::add_mounts(Start& start) {
    for (const Json& mount : plugin_.settings["Mounts"]) {
        container::MountPoint point;
        point.type = mount["Type"];
        point.destination = mount["Destination"];
        if (point.type == "bind") point.source = mount["Source"];
        Json options = mount["Options"];
        if (point.type == "bind") {
            auto has = [&](const char* word) {
                return std::find(options.begin(), options.end(), word) != options.end();
            };
            if (!has("bind") && !has("rbind")) options.push_back("rbind");
            if (std::none_of(options.begin(), options.end(), [](const Json& option) {
                    const std::string word = option;
                    return word.ends_with("private") || word.ends_with("shared") || word.ends_with("slave");
                }))
                options.push_back("rprivate");
        }
        start.c.mounts.push_back(std::move(point));
        start.mount_options.push_back(std::move(options));
    }
    if (const std::string path = plugin_.content.config["PropagatedMount"]; !path.empty()) {
        GANTRY_CHECK(mount_propagated(directory()));
        start.c.mounts.push_back(bind_point(propagated_path(directory()), path));
        start.c.mounts.back().propagation = "rshared";
        start.mount_options.emplace_back();
    }
    // Last, so that no mount of the plugin's hides it.
    start.c.mounts.push_back(bind_point(run() + "/sockets", sockets_inside));
    start.mount_options.emplace_back();
    return {};
}

Result<void> PluginProcess::specify(Start& start) {
    const Json& config = plugin_.content.config;
    container::SpecInput input;
    std::vector<std::string> warnings;
    GANTRY_TRY(start.c,
               container::read_create_request(create_body(plugin_), Json::object(), settings_.defaults, &warnings));
    start.c.id = plugin_.id;
    input.user.uid = config["User"].value("UID", 0u);
    input.user.gid = config["User"].value("GID", 0u);
    input.user.groups = {input.user.gid};
    GANTRY_TRY(input.capabilities, container::effective_capabilities(
                                       container::default_capabilities(),
                                       config["Linux"]["Capabilities"].get<std::vector<std::string>>(), {}, nullptr));
    const container::SeccompProfile seccomp = container::default_seccomp(input.capabilities);
    GANTRY_CHECK(launcher_.warm_seccomp(seccomp.digest, seccomp.oci));

    const bool host = on_host_network(plugin_);
    GANTRY_CHECK(make_directories(run(), 0700));
    const std::string sockets = run() + "/sockets";
    GANTRY_CHECK(make_directories(sockets, 0755));
    if (::chown(sockets.c_str(), input.user.uid, input.user.gid) != 0)
        return fail_errno("give away " + quote_json(sockets));
    input.hostname = host ? container::host_name() : std::string(short_id(plugin_.id));
    GANTRY_CHECK(write_file(run() + "/hosts", host ? host_file("/etc/hosts") : std::string(own_hosts), 0644));
    GANTRY_CHECK(write_file(run() + "/resolv.conf", host ? host_file("/etc/resolv.conf") : "", 0644));
    GANTRY_CHECK(write_file(run() + "/hostname", input.hostname + "\n", 0644));
    GANTRY_CHECK(add_mounts(start));
    input.container = &start.c;
    input.network = host ? container::NetworkNamespace::host : container::NetworkNamespace::joined;
    if (config["PidHost"].get<bool>()) input.pid_namespace = "host";
    if (config["IpcHost"].get<bool>()) input.ipc_namespace = "host";
    input.cgroup_path = cgroup();
    input.hosts_file = run() + "/hosts";
    input.resolv_file = run() + "/resolv.conf";
    input.hostname_file = run() + "/hostname";
    container::Spec spec = container::build_spec(input);

    container::LaunchRequest& request = start.request;
    request.id = plugin_.id;
    request.driver = start.c.runtime;
    request.bundle = request.run_dir = run();
    request.exit_file = run() + "/exit.json";
    request.mounts = Json::array({{{"type", "bind"}, {"source", tree_path(directory(), plugin_.content.tree)}}});
    request.seccomp = seccomp.digest;
    request.log = {{"driver", "json-file"}, {"path", directory() + "/log"}, {"max_size", 1 << 20}, {"max_file", 2}};
    GANTRY_CHECK(make_directories(directory() + "/log", 0700));
    Json& mounts = spec.config["mounts"];
    for (const container::MountSource& source : spec.sources) {
        if (source.point) {
            const auto at = static_cast<std::size_t>(source.point - start.c.mounts.data());
            if (!start.mount_options[at].is_null()) mounts[source.index]["options"] = start.mount_options[at];
        }
        GANTRY_TRY(UniqueFd fd, open_file(source.path, O_PATH).context("bind mount"));
        request.fds.push_back({"mount:" + std::to_string(source.index), fd.get()});
        start.held.push_back(std::move(fd));
    }
    for (Json& mount : mounts)
        for (std::size_t i = 0; i < start.c.mounts.size(); ++i)
            if (start.c.mounts[i].type == "tmpfs" && mount["destination"] == start.c.mounts[i].destination)
                mount["options"] = start.mount_options[i];
    if (!host) {
        GANTRY_TRY(UniqueFd netns, network::make_netns());
        request.fds.push_back({"netns", netns.get()});
        start.held.push_back(std::move(netns));
    }
    // What an engine needs that sweeps after this one.
    GANTRY_CHECK(write_file(run() + "/runtime", start.c.runtime, 0600));
    return write_file(run() + "/config.json", spec.config.dump(), 0600);
}

Result<std::shared_ptr<container::Monitor>> PluginProcess::launch() {
    clear();
    ScopeGuard undo([&] { clear(); });
    Start start;
    GANTRY_CHECK(specify(start));
    GANTRY_FAILPOINT("plugin.start.before_launch");
    GANTRY_TRY(std::shared_ptr<container::Monitor> monitor, launcher_.launch(std::move(start.request)));
    auto begin = [&]() -> Result<void> {
        GANTRY_FAILPOINT("plugin.start.launched");
        GANTRY_CHECK(monitor->start());
        GANTRY_FAILPOINT("plugin.start.runs");
        return {};
    };
    if (auto begun = begin(); !begun) {
        (void)monitor->signal(SIGKILL, true);
        monitor->wait_gone();
        return std::move(begun).error();
    }
    undo.dismiss();
    return monitor;
}

Result<void> PluginProcess::wait_ready(int timeout_ms, const std::function<std::string()>& ended) {
    auto failed = [&](const std::string& why) {
        return fail(Code::internal, "plugin " + quote_json(plugin_.name) + ": " + why);
    };
    const std::string socket = plugin_.content.config["Interface"]["Socket"];
    GANTRY_TRY(UniqueFd directory, open_file(run() + "/sockets", O_RDONLY | O_DIRECTORY));
    const std::int64_t end = monotonic_ns() + std::int64_t{timeout_ms} * 1'000'000;
    for (;;) {
        const std::int64_t left_ms = (end - monotonic_ns()) / 1'000'000;
        auto implemented = activate(directory.get(), socket, static_cast<int>(std::max<std::int64_t>(left_ms, 1)));
        if (implemented) {
            auto fits = check_implemented(plugin_.content.config["Interface"]["Types"], *implemented);
            return fits ? fits : failed(fits.error().text);
        }
        if (const std::string why = ended(); !why.empty()) return failed(why);
        const Error& error = implemented.error();
        if (error.code != Code::retry_later && error.code != Code::deadline) return failed(error.text);
        if (monotonic_ns() >= end)
            return failed(error.text + " after " + std::to_string((timeout_ms + 999) / 1000) + " seconds");
    }
}

Result<std::shared_ptr<container::Monitor>> PluginProcess::reconnect() {
    return launcher_.reconnect(plugin_.id, run());
}

void PluginProcess::clear() {
    if (path_exists(run())) {
        auto runtime = read_file(run() + "/runtime", 256);
        if (!runtime) runtime = settings_.defaults.runtime;
        if (auto swept = launcher_.sweep(*runtime, plugin_.id, cgroup()); !swept)
            log::warn("what a plugin left could not be swept away",
                      {{"plugin", plugin_.name}, {"reason", swept.error().text}});
        (void)remove_tree(run());
    }
    unmount_propagated(directory());
}

Result<void> PluginProcess::stop(container::Monitor& monitor, int grace_ms,
                                 const std::function<bool(int milliseconds)>& wait_ended) {
    if (grace_ms > 0) (void)monitor.signal(SIGTERM, false);
    if (grace_ms <= 0 || !wait_ended(grace_ms)) {
        (void)monitor.signal(SIGKILL, true);
        if (!wait_ended(kill_patience_ms))
            return fail(Code::deadline,
                        "cannot stop plugin " + quote_json(plugin_.name) + ": a process does not end on SIGKILL");
    }
    // Until its mounts are gone its root must not be removed.
    monitor.wait_gone();
    clear();
    return {};
}

}  // namespace gantry::plugin
