#include "core/container/task.hpp"

#include <fcntl.h>

#include <future>

#include "core/base/failpoint.hpp"
#include "core/base/files.hpp"
#include "core/base/ids.hpp"
#include "core/base/log.hpp"
#include "core/container/entry.hpp"
#include "core/container/network_wishes.hpp"
#include "core/container/rootfs_view.hpp"
#include "core/container/spec.hpp"
#include "core/store/members.hpp"

namespace gantry::container {

struct ContainerService::RunningTask {
    std::promise<MonitorEvent> end;
    bool told = false;  // guarded by index_mutex_
};

std::string ContainerService::task_directory(const std::string& id) const { return settings_.run + "/tasks/" + id; }

// What a monitor tells of a task; false: `id` is none.
bool ContainerService::on_task_event(const std::string& id, const MonitorEvent& event) {
    std::lock_guard lock(index_mutex_);
    auto found = tasks_.find(id);
    if (found == tasks_.end()) return false;
    const bool over = event.type == MonitorEvent::Type::exited || event.type == MonitorEvent::Type::lost;
    if (over && !std::exchange(found->second->told, true)) found->second->end.set_value(event);
    return true;
}

// Its name for the launcher, and the mounts that the caller opened.
Result<LaunchRequest> ContainerService::specify_task(Task& task, const Container& c, const NetworkWishes& wishes,
                                                     const std::string& run) {
    SpecInput input;
    input.container = &c;
    input.hostname = c.config["Hostname"];
    input.network = wishes.mode == "host" ? NetworkNamespace::host : NetworkNamespace::joined;
    {
        GANTRY_TRY(UniqueFd root, open_rootfs(task.root, Access::read_only));
        GANTRY_TRY(input.user, look_up_user(root.get(), c.config["User"].get<std::string>(), {}));
    }
    const bool privileged = c.host_config["Privileged"].get<bool>();
    GANTRY_TRY(input.capabilities, capabilities_of(c));
    LaunchRequest request;
    GANTRY_TRY(request.seccomp, seccomp_for(c, input.capabilities, privileged));
    input.cgroup_path = cgroup_path(c);
    input.hosts_file = run + "/hosts";
    input.resolv_file = run + "/resolv.conf";
    input.hostname_file = run + "/hostname";
    Spec spec = build_spec(input);
    GANTRY_CHECK(write_file(run + "/config.json", spec.config.dump(), 0600));
    // What a later engine needs to sweep after this one.
    GANTRY_CHECK(
        write_file(run + "/task.json", Json{{"runtime", c.runtime}, {"cgroup", input.cgroup_path}}.dump(), 0600));
    request.id = c.id;
    request.driver = c.runtime;
    request.bundle = request.run_dir = run;
    request.exit_file = run + "/exit.json";
    request.mounts = task.root;
    request.log = {{"driver", "none"}};
    for (const MountSource& source : spec.sources) {
        int fd = -1;
        if (source.point)
            fd = task.mounts[static_cast<std::size_t>(source.point - c.mounts.data())].source.get();
        else {
            GANTRY_TRY(UniqueFd opened, open_file(source.path, O_PATH));
            fd = opened.get();
            task.mounts.push_back({"", std::move(opened), false, {}});  // kept open until the launch has ended
        }
        request.fds.push_back({"mount:" + std::to_string(source.index), fd});
    }
    Monitor::Attachment streams;
    streams.out = streams.error = true;
    streams.raw.resize(3);
    streams.raw[1] = std::move(task.out);
    streams.raw[2] = std::move(task.error);
    request.attachments.push_back(std::move(streams));
    return request;
}

Result<TaskEnd> ContainerService::run_task(Task task, const OnTaskStart& on_start) {
    GANTRY_CHECK(launcher_ready());
    std::vector<std::string> warnings;
    GANTRY_TRY(Container c, read_create_request(task.body, Json::object(), adjustable()->defaults, &warnings));
    c.id = c.name = task.id;
    if (c.config["Hostname"] == "")
        c.config["Hostname"] = c.network_mode() == "host" ? host_name() : std::string("build");
    GANTRY_CHECK(check_runtime(c.runtime));
    for (const TaskMount& mount : task.mounts) {
        MountPoint point;
        point.type = mount.source ? "bind" : "tmpfs";
        point.source = "build";
        point.destination = mount.destination;
        point.writable = mount.writable || !mount.source;
        point.tmpfs_options = mount.tmpfs_options;
        c.mounts.push_back(std::move(point));
    }
    GANTRY_TRY(NetworkWishes wishes, network_wishes(c));
    GANTRY_CHECK(with_.networks.check(wishes.mode, wishes.endpoints, {}));

    const std::string run = task_directory(c.id);
    GANTRY_CHECK(make_directories(run, 0711));
    ScopeGuard drop_run([&] { (void)remove_tree(run); });
    for (const char* name : {"/hosts", "/resolv.conf", "/hostname"}) GANTRY_CHECK(write_file(run + name, "", 0644));
    GANTRY_TRY(LaunchRequest request, specify_task(task, c, wishes, run));

    auto running = std::make_shared<RunningTask>();
    {
        std::lock_guard lock(index_mutex_);
        tasks_[c.id] = running;
    }
    ScopeGuard forget([&] {
        std::lock_guard lock(index_mutex_);
        tasks_.erase(c.id);
    });
    UniqueFd netns;
    std::optional<Result<std::unique_ptr<Launcher::Launch>>> launch;
    auto begin_launch = [&](int fd) {
        if (launch) return;
        if (fd >= 0) {
            // A copy: a network that fails closes its own while the launcher may be about to use it.
            netns.reset(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
            request.fds.push_back({"netns", netns.get()});
        }
        launch.emplace(launcher_->begin_launch(std::move(request)));
    };
    ScopeGuard drop_network([&] { (void)with_.networks.detach(c.id, true); });
    auto attached = with_.networks.attach(c.id, "build-" + std::string(short_id(c.id)), c.config["Hostname"],
                                          wishes.mode, wishes.endpoints, {}, begin_launch);
    if (attached && !launch) begin_launch(-1);
    if (!launch) return attached.error();
    GANTRY_TRY(std::unique_ptr<Launcher::Launch> launched, std::move(*launch));
    GANTRY_TRY(std::shared_ptr<Monitor> monitor, launched->wait());
    ScopeGuard end_monitor([&] {
        (void)monitor->signal(9, true);
        monitor->wait_gone();
    });
    if (!attached) return attached.error();
    GANTRY_CHECK(write_network_files(c, *attached, c.config["Hostname"], run));
    GANTRY_FAILPOINT("task.before_start");
    if (on_start) on_start([monitor] { (void)monitor->signal(9, true); });
    GANTRY_CHECK(monitor->start());
    GANTRY_FAILPOINT("task.after_start");
    const MonitorEvent event = running->end.get_future().get();
    if (event.type == MonitorEvent::Type::lost) {
        if (auto swept = launcher_->sweep(c.runtime, c.id, cgroup_path(c)); !swept)
            log::warn("a lost process could not be swept away", {{"task", c.id}, {"reason", swept.error().text}});
        return fail(Code::internal, "the process's monitor ended without a record; the process was killed");
    }
    // Until its mounts are gone the layer must not be mounted again.
    monitor->wait_gone();
    end_monitor.dismiss();
    return TaskEnd{event.exit_code, event.oom_killed};
}

// Tasks of an engine that was killed: nobody waits for their end any more.
void ContainerService::sweep_tasks() {
    auto names = list_directory(settings_.run + "/tasks");
    if (!names) return;
    for (const std::string& id : *names) {
        const std::string run = task_directory(id);
        if (auto monitor = launcher_->reconnect(id, run)) {
            (void)(*monitor)->signal(9, true);
            (*monitor)->wait_gone();
        } else {
            std::string runtime = settings_.adjustable.defaults.runtime, cgroup = "/" + settings_.engine + "/" + id;
            if (auto text = read_file(run + "/task.json", 64u << 10)) {
                const Json body = Json::parse(*text, nullptr, false);
                if (body.is_object())
                    (void)store::Members(body).required("runtime", runtime).required("cgroup", cgroup).result();
            }
            if (auto swept = launcher_->sweep(runtime, id, cgroup); !swept)
                log::warn("a lost process could not be swept away", {{"task", id}, {"reason", swept.error().text}});
        }
        (void)remove_tree(run);
        log::info("an unfinished task was swept away", {{"task", id}});
    }
}

}  // namespace gantry::container
