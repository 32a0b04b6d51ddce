// The end of a container: recorded, told, cleaned up after; then perhaps a restart or its removal.
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "core/base/clock.hpp"
#include "core/base/failpoint.hpp"
#include "core/base/files.hpp"
#include "core/base/log.hpp"
#include "core/container/executions.hpp"
#include "core/container/trace.hpp"

namespace gantry::container {
namespace {

// Returns when the process is dead and collected, within the time.
void await_gone(int pid, int timeout_ms) {
    if (pid <= 0) return;
    UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (!process) return;
    pollfd dead{process.get(), POLLIN, 0};
    while (::poll(&dead, 1, timeout_ms) < 0 && errno == EINTR) continue;
    for (int turn = 0; turn < timeout_ms && ::syscall(SYS_pidfd_send_signal, process.get(), 0, nullptr, 0) == 0; ++turn)
        ::poll(nullptr, 0, 1);
}

// The kernel takes milliseconds to unmount what a container had. Who waits for one that removes itself need not wait for
// that, unless something of the host's is in it, which the client may want to unmount next. A start waits in any case: two
// overlays must not share their upper directory.
bool needs_mounts_gone(const Container& c) {
    return !c.auto_remove() ||
           std::any_of(c.mounts.begin(), c.mounts.end(), [](const MountPoint& m) { return m.type != "tmpfs"; });
}

}  // namespace

void ContainerService::on_monitor_event(const std::string& id, const MonitorEvent& event) {
    if (event.type == MonitorEvent::Type::exec_exited) {
        const std::shared_ptr<Execution> execution = executions_->find(event.exec_id);
        if (!execution) return;
        {
            std::lock_guard lock(execution->mutex);
            if (execution->finished) return;
            execution->running = false;
            execution->finished = true;
            execution->exit_code = event.exit_code;
            execution->pid = 0;
            execution->ended.set_value(event.exit_code);
            execution->changed.notify_all();
        }
        executions_->ended(event.exec_id);
        if (auto entry = find(id))
            publish(**entry, "exec_die", {{"execID", event.exec_id}, {"exitCode", std::to_string(event.exit_code)}});
        return;
    }
    if (on_task_event(id, event)) return;
    auto entry = find(id);
    if (!entry) {
        // One without a record, left alone until now: its addresses are free.
        if (event.type != MonitorEvent::Type::oom) with_.post([this, id] { (void)with_.networks.detach(id, true); });
        return;
    }
    if (event.type == MonitorEvent::Type::oom) {
        {
            std::lock_guard lock((*entry)->mutex);
            (*entry)->record.state.oom_killed = true;
        }
        publish(**entry, "oom");
        return;
    }
    with_.post([this, e = *entry, event] { handle_exit(e, event); });
}

void ContainerService::handle_exit(const EntryPtr& entry, const MonitorEvent& event) {
    Trace trace(settings_.trace_start, "end", entry->id());
    std::lock_guard operation(entry->operation);
    trace.step("operation lock");
    std::shared_ptr<Monitor> monitor;
    {
        std::lock_guard lock(entry->mutex);
        if (!entry->record.active()) return;  // a start that was undone, or an end handled already
        monitor = entry->monitor;
    }
    bool lost = event.type == MonitorEvent::Type::lost;
    if (auto detached = with_.networks.detach(entry->id(), true); !detached)
        log::warn("network clean-up after a container's end failed",
                  {{"container", entry->id()}, {"reason", detached.error().text}});
    trace.step("network");
    // A monitor that was killed could not clean up: its container is killed and its cgroups are swept by a new one.
    if (lost && monitor) {
        sweep(entry->snapshot());
        await_gone(monitor->pid(), 2000);
    }
    GANTRY_FAILPOINT_VOID("container.exit.before_record");
    bool again = false;
    {
        std::lock_guard lock(entry->mutex);
        State& state = entry->record.state;
        std::int64_t ran_ns = (event.time_ns ? event.time_ns : wall_clock_ns()) - state.started_ns;
        state.status = Status::exited;
        state.pid = 0;
        state.exit_code = lost ? 255 : event.exit_code;
        state.oom_killed = state.oom_killed || event.oom_killed;
        state.finished_ns = event.time_ns ? event.time_ns : wall_clock_ns();
        if (lost) state.error = "its monitor ended without a record; the container was killed";
        if (ran_ns > 10'000'000'000) entry->restart_delay_ms = 100;
        entry->monitor = nullptr;
        entry->network_settings = Json::object();
        entry->ports.clear();
        again = wants_restart(*entry);
        if (again) {
            state.status = Status::restarting;
            ++state.restart_count;
        }
        if (auto saved = save(*entry); !saved)
            log::error("a container's end could not be recorded; its exit record remains",
                       {{"container", entry->id()}, {"reason", saved.error().text}});
    }
    GANTRY_FAILPOINT_VOID("container.exit.after_record");
    trace.step("record");
    publish(*entry, "die",
            {{"exitCode", std::to_string(entry->record.state.exit_code)},
             {"execDuration",
              std::to_string((entry->record.state.finished_ns - entry->record.state.started_ns) / 1'000'000'000)}});
    notify(*entry, false);
    trace.step("told");
    if (monitor && needs_mounts_gone(entry->record))
        monitor->wait_gone();
    else if (monitor)
        monitor->wait_removed();
    trace.step("monitor");
    (void)remove_tree(run_directory(entry->id()));
    trace.step("run directory");
    after_exit(entry, again);
    if (monitor) monitor->wait_gone();
}

// The caller holds entry.operation.
void ContainerService::after_exit(const EntryPtr& entry, bool start_again) {
    if (entry->record.auto_remove()) {
        if (auto removed = remove_locked(*entry, true); !removed)
            log::warn("a container could not be removed after its end",
                      {{"container", entry->id()}, {"reason", removed.error().text}});
    } else if (start_again) {
        schedule_restart(entry);
    }
}

// The caller holds entry.mutex.
bool ContainerService::wants_restart(const Entry& entry) const {
    const Container& c = entry.record;
    if (c.state.stopped_by_user) return false;
    const Json& policy = c.host_config["RestartPolicy"];
    std::string name = policy.value("Name", "no");
    if (name == "always" || name == "unless-stopped") return true;
    if (name != "on-failure" || c.state.exit_code == 0) return false;
    std::int64_t maximum = policy.value("MaximumRetryCount", std::int64_t{0});
    return maximum == 0 || c.state.restart_count < maximum;
}

void ContainerService::schedule_restart(const EntryPtr& entry) {
    int delay = 0;
    std::uint64_t number = 0;
    {
        std::lock_guard lock(entry->mutex);
        delay = entry->restart_delay_ms;
        entry->restart_delay_ms = std::min(delay * 2, 60'000);
        number = entry->start_number;
    }
    timers_->after(delay, [this, entry, number] {
        std::lock_guard operation(entry->operation);
        {
            std::lock_guard lock(entry->mutex);
            // Stopped, started or removed by hand meanwhile: then this is no longer ours to do.
            if (entry->removed || entry->start_number != number || entry->record.state.status != Status::restarting)
                return;
        }
        if (auto started = start_locked(entry); !started) {
            log::warn("a restart failed", {{"container", entry->id()}, {"reason", started.error().text}});
            bool again = false;
            {
                std::lock_guard lock(entry->mutex);
                entry->record.state.error = started.error().text;
                if (entry->record.state.exit_code == 0) entry->record.state.exit_code = 128;
                again = wants_restart(*entry);
                entry->record.state.status = again ? Status::restarting : Status::exited;
                if (again) ++entry->record.state.restart_count;
                (void)save(*entry);
            }
            if (again)
                schedule_restart(entry);
            else
                notify(*entry, false);
        }
    });
}

void ContainerService::notify(Entry& entry, bool removed) {
    std::vector<Entry::Waiter> ready;
    int exit_code = 0;
    std::string error;
    {
        std::lock_guard lock(entry.mutex);
        exit_code = entry.record.state.exit_code;
        // Only a start that failed is an error of the wait; an end, however it came, is an answer.
        if (entry.record.state.status == Status::created) error = entry.record.state.error;
        auto due = [&](const Entry::Waiter& waiter) { return removed || waiter.condition != WaitCondition::removed; };
        for (auto& waiter : entry.waiters)
            if (due(waiter)) ready.push_back(waiter);
        std::erase_if(entry.waiters, due);
        entry.changed.notify_all();
    }
    for (auto& waiter : ready) waiter.done(exit_code, error);
}

Result<std::uint64_t> ContainerService::wait(const std::string& ref, WaitCondition condition,
                                             std::function<void(int, const std::string&)> done) {
    GANTRY_TRY(EntryPtr entry, find(ref));
    int exit_code = 0;
    {
        std::lock_guard lock(entry->mutex);
        if (entry->removed) return fail(Code::not_found, "No such container: " + ref);
        bool running = entry->record.active() || entry->record.state.status == Status::restarting;
        if (condition != WaitCondition::not_running || running) {
            entry->waiters.push_back({entry->next_waiter, condition, std::move(done)});
            return entry->next_waiter++;
        }
        exit_code = entry->record.state.exit_code;
    }
    done(exit_code, "");
    return std::uint64_t{0};
}

void ContainerService::cancel_wait(const std::string& ref, std::uint64_t number) {
    auto entry = find(ref);
    if (!entry) return;
    std::lock_guard lock((*entry)->mutex);
    std::erase_if((*entry)->waiters, [&](const Entry::Waiter& waiter) { return waiter.number == number; });
}

// True once the container does not run, within the time (-1: however long it takes).
bool ContainerService::wait_inactive(Entry& entry, int timeout_ms) {
    std::unique_lock lock(entry.mutex);
    auto inactive = [&] { return !entry.record.active(); };
    if (timeout_ms < 0) {
        entry.changed.wait(lock, inactive);
        return true;
    }
    return entry.changed.wait_for(lock, std::chrono::milliseconds(timeout_ms), inactive);
}

}  // namespace gantry::container
