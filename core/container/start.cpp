// Start: everything a container needs is made, the network while the runtime makes the rest, and its process execs. What fails undoes
// what was done, in reverse.
#include <fcntl.h>
#include <unistd.h>

#include "core/base/failpoint.hpp"
#include "core/base/files.hpp"
#include "core/base/safe_path.hpp"
#include "core/container/log_options.hpp"
#include "core/container/start_attempt.hpp"

namespace gantry::container {
namespace {

std::string namespace_path(const Monitor& monitor, const char* kind) {
    return "/proc/" + std::to_string(monitor.pid()) + "/ns/" + kind;
}

// Docker's exit codes for a process that could not be executed.
int exit_code_of(const Error& error) {
    if (error.code == Code::not_found) return 127;
    return error.code == Code::denied || error.code == Code::invalid ? 126 : 128;
}

}  // namespace

// A running container whose namespace another one shares: "container:NAME" taken apart.
Result<std::shared_ptr<Monitor>> ContainerService::partner_of(const std::string& mode, const char* kind) {
    GANTRY_TRY(EntryPtr partner, find(mode.substr(std::string_view("container:").size())));
    std::lock_guard lock(partner->mutex);
    if (!partner->record.active() || !partner->monitor)
        return fail(Code::conflict,
                    std::string("cannot join ") + kind + " of a non running container: " + partner->record.id);
    return partner->monitor;
}

// Names, directories and shared namespaces: what needs neither kernel nor driver.
Result<void> ContainerService::plan_start(StartAttempt& start) {
    const Container& c = start.c;
    start.run = run_directory(c.id);
    start.data = directory(c.id);
    GANTRY_CHECK(make_directories(start.run, 0711));
    for (const char* name : {"/hosts", "/resolv.conf", "/hostname"})
        GANTRY_CHECK(write_file(start.run + name, "", 0644));
    GANTRY_CHECK(check_links(c));
    GANTRY_TRY(start.wishes, network_wishes(c));
    start.hostname = c.config["Hostname"];
    if (c.host_config["UTSMode"] == "host") {
        start.hostname = host_name();
        start.input.uts_namespace = "host";
    }
    start.input.network = start.wishes.mode == "host" ? NetworkNamespace::host : NetworkNamespace::joined;
    for (auto [key, kind, target] : {std::tuple{"PidMode", "pid", &start.input.pid_namespace},
                                     std::tuple{"IpcMode", "ipc", &start.input.ipc_namespace}}) {
        std::string mode = c.host_config[key];
        if (mode == "host") *target = "host";
        if (!mode.starts_with("container:")) continue;
        GANTRY_TRY(auto partner, partner_of(mode, kind));
        *target = namespace_path(*partner, kind);
    }
    if (start.wishes.mode.starts_with("container:")) {
        GANTRY_TRY(auto partner, partner_of(start.wishes.mode, "network"));
        GANTRY_TRY(UniqueFd netns, open_file(namespace_path(*partner, "net"), O_RDONLY));
        start.request.fds.push_back({"netns", netns.get()});
        start.held.push_back(std::move(netns));
    }
    start.trace.step("plan");
    return {};
}

std::string ContainerService::cgroup_path(const Container& c) const {
    const std::string parent = c.host_config["CgroupParent"].get<std::string>();
    return "/" + settings_.engine + "/" + (parent.empty() ? "" : clean_relative(parent) + "/") + c.id;
}

// The OCI specification in the run directory, and what goes with it to the launcher.
Result<void> ContainerService::specify_start(Entry& entry, StartAttempt& start) {
    const Container& c = start.c;
    SpecInput& input = start.input;
    GANTRY_TRY(auto layers, with_.drivers.get(driver::Kind::layer, c.layer_driver));
    GANTRY_TRY(driver::Reply plan, layers->call("layer/1", "mounts", {{"key", c.layer}}));
    start.trace.step("layer");
    input.container = &c;
    input.hostname = start.hostname;
    GANTRY_TRY(input.user, resolve_user(entry, c.config["User"], plan.result["mounts"]));
    GANTRY_TRY(input.capabilities, capabilities_of(c));
    GANTRY_TRY(start.seccomp, seccomp_for(c, input.capabilities, c.host_config["Privileged"].get<bool>()));
    start.trace.step("user and seccomp");
    input.cgroup_path = cgroup_path(c);
    input.hosts_file = start.run + "/hosts";
    input.resolv_file = start.run + "/resolv.conf";
    input.hostname_file = start.run + "/hostname";
    Spec spec = build_spec(input);
    GANTRY_CHECK(write_file(start.run + "/config.json", spec.config.dump(), 0600));
    start.trace.step("specification");

    LaunchRequest& request = start.request;
    request.id = c.id;
    request.seccomp = start.seccomp;
    request.driver = c.runtime;
    request.bundle = request.run_dir = start.run;
    request.exit_file = start.data + "/exit.json";
    request.mounts = plan.result["mounts"];
    request.terminal = c.terminal();
    request.open_stdin = c.open_stdin();
    request.stdin_once = c.config["StdinOnce"];
    GANTRY_TRY(request.log, log_settings(c.host_config["LogConfig"], start.data + "/log", c.config,
                                         {c.id, c.name, c.image_id, c.image}));
    for (const MountSource& source : spec.sources) {
        GANTRY_TRY(UniqueFd fd, open_source(c, source));
        request.fds.push_back({"mount:" + std::to_string(source.index), fd.get()});
        start.held.push_back(std::move(fd));
    }
    ::unlink(request.exit_file.c_str());
    start.trace.step("mount sources");
    return {};
}

Result<UniqueFd> ContainerService::open_source(const Container& c, const MountSource& source) {
    if (source.point && source.point->type == "image") return open_image(c, *source.point);
    if (!source.point || source.point->type != "volume") return open_file(source.path, O_PATH).context("bind mount");
    GANTRY_TRY(auto published, with_.volumes.publish(source.point->name, c.id, !source.point->writable));
    if (source.point->subpath.empty()) return std::move(published.mount);
    return open_in_root(published.mount.get(), source.point->subpath, O_PATH)
        .context("subpath of volume \"" + source.point->name + "\"");
}

void ContainerService::mark_running(Entry& entry, const StartAttempt& start, const network::Attached& network,
                                    std::shared_ptr<Monitor> monitor) {
    std::lock_guard lock(entry.mutex);
    ++entry.start_number;
    entry.network_settings = network.settings;
    entry.ports = network.ports;
    entry.seccomp = start.seccomp;
    entry.user = start.input.user;
    entry.user_known = true;
    entry.record.health = {};
    State& state = entry.record.state;
    state.status = Status::running;
    state.pid = monitor->pid();
    state.exit_code = 0;
    state.oom_killed = false;
    state.error.clear();
    state.started_ns = wall_clock_ns();
    state.stopped_by_user = false;
    state.boot_id = boot_id();
    entry.monitor = std::move(monitor);
}

void ContainerService::unmark_running(Entry& entry, const StartAttempt& start, const Error& error) {
    std::lock_guard lock(entry.mutex);
    entry.monitor = nullptr;
    entry.network_settings = Json::object();
    entry.ports.clear();
    entry.record.state = start.c.state;
    entry.record.state.error = error.text;
    entry.record.state.exit_code = exit_code_of(error);
    (void)save(entry);
}

// Has the launcher begin, in that network namespace (-1: none is needed).
Result<std::unique_ptr<Launcher::Launch>> ContainerService::begin_runtime(StartAttempt& start, int netns) {
    if (start.input.network == NetworkNamespace::joined && !start.wishes.mode.starts_with("container:")) {
        // A copy: a network that fails closes its own while the launcher may be about to use it.
        UniqueFd copy(netns < 0 ? -1 : ::fcntl(netns, F_DUPFD_CLOEXEC, 3));
        if (!copy) return fail(Code::internal, "the network gave no namespace");
        start.request.fds.push_back({"netns", copy.get()});
        start.held.push_back(std::move(copy));
    }
    GANTRY_FAILPOINT("container.start.before_launch");
    return launcher_->begin_launch(std::move(start.request));
}

// The caller holds entry.operation.
Result<void> ContainerService::start_locked(const EntryPtr& pointer) {
    Entry& entry = *pointer;
    StartAttempt start(entry.snapshot(), settings_.trace_start);
    const std::string& id = start.c.id;
    GANTRY_TRY(std::int64_t intent, with_.store.begin_intent("container", id, "start", Json::object()));
    ScopeGuard end_intent([&] { (void)with_.store.end_intent(intent); });
    GANTRY_FAILPOINT("container.start.after_intent");
    start.trace.step("intent");
    ScopeGuard drop_run([&] { (void)remove_tree(run_directory(id)); });
    GANTRY_CHECK(plan_start(start));

    GANTRY_CHECK(specify_start(entry, start));
    {
        std::unique_lock lock(entry.mutex);
        // A client whose attach has been answered but whose connection is still on its way here.
        if (!entry.changed.wait_for(lock, std::chrono::seconds(5), [&] { return entry.attaching == 0; }))
            log::warn("a container is started without a client whose attach does not come to its end",
                      {{"container", id}});
        start.request.attachments = std::exchange(entry.waiting, {});
    }
    // The runtime is set going as soon as there is a namespace; the network is made in it while the runtime makes the rest.
    std::optional<Result<std::unique_ptr<Launcher::Launch>>> launch;
    auto begin_launch = [&](int netns) {
        start.trace.step("network namespace");
        if (!launch) launch.emplace(begin_runtime(start, netns));
        start.trace.step("launch begun");
    };
    ScopeGuard drop_network([&] { (void)with_.networks.detach(id, true); });
    auto attached = with_.networks.attach(id, start.c.name, start.hostname, start.wishes.mode, start.wishes.endpoints,
                                          start.wishes.ports, begin_launch);
    if (attached && !launch) begin_launch(-1);
    if (!launch) return attached.error();
    start.trace.step("network");
    GANTRY_TRY(std::unique_ptr<Launcher::Launch> launched, std::move(*launch));
    GANTRY_TRY(std::shared_ptr<Monitor> monitor, launched->wait());
    start.trace.step("launch");
    ScopeGuard end_monitor([&] {
        (void)monitor->signal(9, true);
        monitor->wait_gone();
    });
    GANTRY_FAILPOINT("container.start.after_launch");
    if (!attached) return attached.error();
    GANTRY_CHECK(write_network_files(start.c, *attached, start.hostname, start.run));
    GANTRY_FAILPOINT("container.start.before_exec");
    // Marked before the process runs: an end that comes at once finds its record.
    mark_running(entry, start, *attached, monitor);
    auto started = [&]() -> Result<void> {
        GANTRY_CHECK(monitor->start());
        start.trace.step("exec");
        GANTRY_FAILPOINT("container.start.after_exec");
        std::lock_guard lock(entry.mutex);
        return with_.store.transact([&]() -> Result<void> {
            GANTRY_CHECK(save(entry));
            return with_.store.end_intents("container", id, "start");
        });
    }();
    if (!started) {
        unmark_running(entry, start, started.error());
        return started;
    }
    start.trace.step("record");
    GANTRY_FAILPOINT_VOID("container.start.after_commit");
    end_intent.dismiss();
    drop_run.dismiss();
    drop_network.dismiss();
    end_monitor.dismiss();
    tell_linked(entry);
    publish(entry, "start");
    begin_health(pointer);
    return {};
}

Result<Done> ContainerService::start(const std::string& ref) {
    GANTRY_CHECK(launcher_ready());
    GANTRY_TRY(EntryPtr entry, find(ref));
    std::lock_guard operation(entry->operation);
    {
        std::lock_guard lock(entry->mutex);
        if (entry->removed) return fail(Code::not_found, "No such container: " + ref);
        Status status = entry->record.state.status;
        if (status == Status::paused)
            return fail(Code::conflict, "cannot start a paused container, try unpause instead");
        if (status == Status::running) return Done::not_modified;
        if (status == Status::removing || status == Status::dead)
            return fail(Code::conflict, "container is marked for removal and cannot be started");
        entry->restart_delay_ms = 100;
        entry->record.state.restart_count = 0;
    }
    auto started = start_locked(entry);
    if (started) return Done::changed;
    Error error = std::move(started).error();
    {
        std::lock_guard lock(entry->mutex);
        entry->waiting.clear();  // attached clients see the end of their stream
        entry->record.state.error = error.text;
    }
    std::string name = entry->record.name;
    bool ephemeral = entry->record.auto_remove();
    notify(*entry, false);
    if (ephemeral) (void)remove_locked(*entry, true);
    return std::move(error).context("failed to start container " + name);
}

}  // namespace gantry::container
