// Further processes in a running container, and clients that attach to it.
#include <fcntl.h>

#include "core/base/failpoint.hpp"
#include "core/base/files.hpp"
#include "core/base/ids.hpp"
#include "core/container/executions.hpp"
#include "core/container/spec.hpp"
#include "core/container/capabilities.hpp"

namespace gantry::container {
namespace {

// How long a process whose terminal is to have another size may take to start, as with Docker.
constexpr std::chrono::seconds resize_patience(10);

}  // namespace

Result<std::string> ContainerService::exec_create(const std::string& ref, const Json& body) {
    GANTRY_CHECK(launcher_ready());
    GANTRY_TRY(EntryPtr entry, find(ref));
    {
        std::lock_guard lock(entry->mutex);
        const Container& c = entry->record;
        if (c.state.status == Status::paused)
            return fail(Code::conflict, "Container " + c.id + " is paused, unpause the container before exec");
        if (!c.active()) return fail(Code::conflict, "Container " + c.id + " is not running");
    }
    if (!body.contains("Cmd") || body["Cmd"].empty()) return fail(Code::invalid, "No exec command specified");
    auto execution = std::make_shared<Execution>();
    execution->id = new_id();
    execution->container_id = entry->id();
    execution->config = body;
    executions_->add(execution);
    publish(*entry, "exec_create: " + command_of(execution->config), {{"execID", execution->id}});
    return execution->id;
}

Result<void> ContainerService::exec_start(const std::string& exec_id, const Json& body,
                                          std::optional<Monitor::Attachment> attachment) {
    const std::shared_ptr<Execution> execution = executions_->find(exec_id);
    if (!execution) return fail(Code::not_found, "No such exec instance: " + exec_id);
    GANTRY_TRY(EntryPtr entry, find(execution->container_id));
    std::shared_ptr<Monitor> monitor;
    Container c;
    {
        std::lock_guard lock(entry->mutex);
        c = entry->record;
        if (!c.active() || !entry->monitor) return fail(Code::conflict, "Container " + c.id + " is not running");
        if (c.state.status == Status::paused)
            return fail(Code::conflict, "Container " + c.id + " is paused, unpause the container before exec");
        monitor = entry->monitor;
    }
    {
        std::lock_guard lock(execution->mutex);
        if (execution->started) return fail(Code::conflict, "Error: Exec command " + exec_id + " is already running");
        execution->started = true;
        execution->running = true;
    }
    auto not_running = [&](Error error, int exit_code) {
        std::lock_guard lock(execution->mutex);
        execution->running = false;
        execution->finished = true;
        execution->exit_code = exit_code;
        execution->changed.notify_all();
        return error;
    };
    const Json& config = execution->config;
    bool terminal = config.value("Tty", false),
         privileged = config.contains("Privileged") && config["Privileged"] == true;
    std::string wanted_user =
        config.contains("User") && config["User"].is_string() ? config["User"].get<std::string>() : "";
    auto identity = identity_of(*entry, *monitor, wanted_user, privileged);
    if (!identity) return not_running(std::move(identity).error(), 126);
    if (const Json& size = body.contains("ConsoleSize") ? body["ConsoleSize"] : Json();
        size.is_array() && size.size() == 2)
        execution->config["ConsoleSize"] = size;
    Json process = exec_process(c, execution->config, identity->user, identity->capabilities);
    if (terminal && execution->config.contains("ConsoleSize") && execution->config["ConsoleSize"].is_array() &&
        execution->config["ConsoleSize"].size() == 2)
        process["consoleSize"] = {{"height", execution->config["ConsoleSize"][0]},
                                  {"width", execution->config["ConsoleSize"][1]}};
    auto pid = monitor->exec(exec_id, process, terminal, identity->seccomp,
                             attachment ? std::move(*attachment) : Monitor::Attachment{});
    if (!pid) {
        Error error = std::move(pid).error();
        int code = error.code == Code::not_found ? 127 : 126;
        return not_running(std::move(error), code);
    }
    {
        std::lock_guard lock(execution->mutex);
        if (!execution->finished) execution->pid = *pid;
        execution->changed.notify_all();
    }
    publish(*entry, "exec_start: " + command_of(execution->config), {{"execID", exec_id}});
    return {};
}

Result<Json> ContainerService::exec_inspect(const std::string& exec_id) {
    const std::shared_ptr<Execution> execution = executions_->find(exec_id);
    if (!execution) return fail(Code::not_found, "No such exec instance: " + exec_id);
    std::lock_guard lock(execution->mutex);
    const Json& config = execution->config;
    auto flag = [&](const char* key) { return config.contains(key) && config[key] == true; };
    Json arguments = Json::array();
    for (std::size_t i = 1; i < config["Cmd"].size(); ++i) arguments.push_back(config["Cmd"][i]);
    return Json{{"ID", execution->id},
                {"Running", execution->running},
                {"ExitCode", execution->finished ? Json(execution->exit_code) : Json()},
                {"ProcessConfig",
                 {{"tty", flag("Tty")},
                  {"entrypoint", config["Cmd"][0]},
                  {"arguments", arguments},
                  {"privileged", flag("Privileged")},
                  {"user", config.contains("User") ? config["User"] : Json("")}}},
                {"OpenStdin", flag("AttachStdin")},
                {"OpenStderr", flag("AttachStderr")},
                {"OpenStdout", flag("AttachStdout")},
                {"CanRemove", execution->finished},
                {"ContainerID", execution->container_id},
                {"DetachKeys", config.contains("DetachKeys") ? config["DetachKeys"] : Json("")},
                {"Pid", execution->pid}};
}

Result<bool> ContainerService::exec_terminal(const std::string& exec_id) {
    const std::shared_ptr<Execution> execution = executions_->find(exec_id);
    if (!execution) return fail(Code::not_found, "No such exec instance: " + exec_id);
    return execution->config.value("Tty", false);
}

Result<void> ContainerService::exec_resize(const std::string& exec_id, int rows, int columns) {
    const std::shared_ptr<Execution> execution = executions_->find(exec_id);
    if (!execution) return fail(Code::not_found, "No such exec instance: " + exec_id);
    GANTRY_TRY(EntryPtr entry, find(execution->container_id));
    std::shared_ptr<Monitor> monitor;
    {
        std::lock_guard lock(entry->mutex);
        monitor = entry->monitor;
    }
    if (!monitor) return fail(Code::conflict, "Container " + execution->container_id + " is not running");
    {
        // A client asks for this as soon as its start was answered, which is before the process runs.
        std::unique_lock lock(execution->mutex);
        auto ready = [&] { return execution->pid != 0 || execution->finished; };
        if (!execution->changed.wait_for(lock, resize_patience, ready))
            return fail(Code::internal, "timeout waiting for exec session ready");
    }
    return monitor->resize(exec_id, rows, columns);
}

Result<void> ContainerService::begin_attach(const std::string& ref) {
    GANTRY_TRY(EntryPtr entry, find(ref));
    std::lock_guard lock(entry->mutex);
    const Container& c = entry->record;
    if (c.state.status == Status::paused)
        return fail(Code::conflict, "container " + c.id + " is paused, unpause the container before attach");
    if (c.state.status == Status::restarting)
        return fail(Code::conflict, "container " + c.id + " is restarting, wait until the container is running");
    if (c.state.status == Status::removing || c.state.status == Status::dead)
        return fail(Code::conflict, "container " + c.id + " is marked for removal");
    ++entry->attaching;
    return {};
}

void ContainerService::abandon_attach(const std::string& ref) {
    auto entry = find(ref);
    if (!entry) return;
    std::lock_guard lock((*entry)->mutex);
    --(*entry)->attaching;
    (*entry)->changed.notify_all();
}

Result<void> ContainerService::attach(const std::string& ref, Monitor::Attachment attachment) {
    GANTRY_TRY(EntryPtr entry, find(ref));
    std::shared_ptr<Monitor> monitor;
    publish(*entry, "attach");  // before a start that waits for this one is told of
    {
        std::lock_guard lock(entry->mutex);
        --entry->attaching;
        entry->changed.notify_all();
        monitor = entry->record.active() ? entry->monitor : nullptr;
        if (!monitor) {
            // Not started yet: it is handed over at the start.
            entry->waiting.push_back(std::move(attachment));
            return {};
        }
    }
    return monitor->attach(std::move(attachment));
}

Result<void> ContainerService::resize(const std::string& ref, int rows, int columns) {
    GANTRY_TRY(EntryPtr entry, find(ref));
    std::shared_ptr<Monitor> monitor;
    {
        std::lock_guard lock(entry->mutex);
        monitor = entry->record.active() ? entry->monitor : nullptr;
    }
    if (!monitor) return fail(Code::conflict, "Container " + entry->id() + " is not running");
    GANTRY_CHECK(monitor->resize("", rows, columns));
    publish(*entry, "resize", {{"height", std::to_string(rows)}, {"width", std::to_string(columns)}});
    return {};
}

}  // namespace gantry::container
