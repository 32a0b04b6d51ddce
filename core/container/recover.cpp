// After a restart of the engine: what the store says and what runs are compared and brought together.
#include <fcntl.h>
#include <signal.h>

#include "core/base/clock.hpp"
#include "core/base/failpoint.hpp"
#include "core/base/files.hpp"
#include "core/base/log.hpp"
#include "core/container/entry.hpp"
#include "core/store/members.hpp"

namespace gantry::container {

Result<void> ContainerService::launcher_ready() {
    std::unique_lock lock(index_mutex_);
    if (recovered_changed_.wait_for(lock, std::chrono::seconds(60), [&] { return recovered_; })) return {};
    return fail(Code::retry_later, "the engine is still recovering");
}

void ContainerService::await_states() {
    std::unique_lock lock(index_mutex_);
    recovered_changed_.wait_until(lock, patience_, [&] { return states_known_; });
}

Result<void> ContainerService::check_runtime(const std::string& name) {
    std::lock_guard lock(index_mutex_);
    std::string known;
    for (const Json& found : runtimes_) {
        if (found.value("name", "") == name) {
            if (found.value("loaded", false)) return {};
            return fail(Code::invalid, "runtime \"" + name + "\" cannot be used: " + found.value("problem", ""));
        }
        if (found.value("loaded", false)) known += (known.empty() ? "\"" : ", \"") + found.value("name", "") + "\"";
    }
    return fail(Code::invalid, "unknown or invalid runtime name: \"" + name + "\", there are: " + known);
}

void ContainerService::recover(std::unique_ptr<Launcher> launcher) {
    launcher_ = std::move(launcher);
    auto found = launcher_->drivers();
    {
        std::lock_guard lock(index_mutex_);
        if (found && found->is_array()) runtimes_ = *found;
    }
    std::vector<store::Damage> damage;
    auto intents = with_.store.intents(&damage);
    for (const auto& item : damage)
        if (item.kind == "container")
            log::error("a container's intent is damaged", {{"container", item.id}, {"reason", item.reason}});
    std::set<std::string> unfinished;
    if (intents) {
        for (const auto& intent : *intents)
            if (intent.kind == "container" && intent.operation == "start") unfinished.insert(intent.id);
        finish_unfinished_creates(*intents);
    }
    GANTRY_FAILPOINT_VOID("container.recover.after_creates");
    std::vector<EntryPtr> restarts;
    std::set<std::string> running, existing;
    for (const auto& entry : all()) {
        std::lock_guard operation(entry->operation);
        recover_one(entry, unfinished.contains(entry->id()));
        if (entry->removed) continue;
        existing.insert(entry->id());
        if (entry->record.active()) running.insert(entry->id());
    }
    GANTRY_FAILPOINT_VOID("container.recover.after_states");
    sweep_tasks();
    adopt_strays(existing, running);
    {
        std::lock_guard lock(index_mutex_);
        states_known_ = true;
    }
    recovered_changed_.notify_all();
    if (intents)
        for (const auto& intent : *intents) {
            if (intent.kind != "container") continue;
            if (intent.operation == "commit") {
                // It was held still for a commit that has gone with the engine.
                with_.post([this, id = intent.id, seq = intent.seq] {
                    (void)unpause(id);
                    (void)with_.store.end_intent(seq);
                });
            } else if (intent.operation != "sweep" || sweep_again(intent, running)) {
                (void)with_.store.end_intent(intent.seq);
            }
        }
    if (auto reconciled = with_.networks.reconcile(running); !reconciled)
        log::error("networks could not be brought in order", {{"reason", reconciled.error().text}});
    GANTRY_FAILPOINT_VOID("container.recover.after_networks");
    with_.volumes.reconcile(existing);
    GANTRY_FAILPOINT_VOID("container.recover.after_volumes");
    empty_graveyard();
    // What is left in the run directory of containers that are gone.
    if (auto names = list_directory(settings_.run + "/containers"))
        for (const auto& name : *names)
            if (!running.contains(name)) (void)remove_tree(run_directory(name));
    {
        std::lock_guard lock(index_mutex_);
        recovered_ = true;
    }
    recovered_changed_.notify_all();
    for (const auto& entry : all()) {
        if (entry->snapshot().active()) begin_health(entry);
        bool again = false, over = false;
        {
            std::lock_guard lock(entry->mutex);
            if (entry->record.active()) continue;
            State& state = entry->record.state;
            over = entry->record.auto_remove() && state.started_ns != 0;
            // "unless-stopped" and "always" also start what was stopped by the machine's own end.
            again = state.status == Status::restarting ||
                    (state.started_ns != 0 && state.status == Status::exited && !state.stopped_by_user &&
                     state.boot_id != boot_id() && wants_restart(*entry));
            if (again) {
                state.status = Status::restarting;
                (void)save(*entry);
            }
        }
        std::lock_guard operation(entry->operation);
        if (over)
            (void)remove_locked(*entry, true);
        else if (again)
            schedule_restart(entry);
    }
}

// A create that was not told of is undone: its layer, its files, its claims on volumes. The store has no record of it.
void ContainerService::finish_unfinished_creates(const std::vector<store::Intent>& intents) {
    for (const auto& intent : intents) {
        if (intent.kind != "container" || intent.operation != "create") continue;
        {
            std::lock_guard lock(index_mutex_);
            if (entries_.contains(intent.id)) continue;
        }
        std::string driver = settings_.adjustable.defaults.layer_driver, layer = "container-" + intent.id;
        std::vector<std::string> views;
        if (auto read = store::Members(intent.detail)
                            .required("layer_driver", driver)
                            .required("layer", layer)
                            .optional("views", views)
                            .result();
            !read)
            log::error("the intent of a container's creation is damaged; the usual layer is removed",
                       {{"container", intent.id}, {"reason", read.error().text}});
        discard_layer(driver, layer);
        for (const std::string& view : views) discard_layer(driver, view);
        with_.volumes.discard_anonymous(intent.id);
        (void)remove_tree(directory(intent.id));
        log::info("an unfinished create was undone", {{"container", intent.id}});
    }
}

// Containers that run and whose record is damaged or lost with the store: they go on, with their network, and can be told
// of to whoever mends it. An engine that is shut down with its containers ends them too.
void ContainerService::adopt_strays(const std::set<std::string>& existing, std::set<std::string>& running) {
    auto names = list_directory(settings_.run + "/containers");
    if (!names) return;
    for (const std::string& id : *names) {
        if (existing.contains(id)) continue;
        auto monitor = launcher_->reconnect(id, run_directory(id));
        if (!monitor) continue;
        log::error("a container runs whose record is damaged or lost; it is left alone",
                   {{"container", id}, {"pid", std::to_string((*monitor)->pid())}});
        strays_.emplace_back(id, std::move(*monitor));
        running.insert(id);
    }
}

// What a monitor leaves behind that was killed: processes and cgroups. Another monitor's driver removes them.
void ContainerService::sweep(const Container& c) {
    auto swept = launcher_->sweep(c.runtime, c.id, cgroup_path(c));
    if (swept) return;
    log::warn("a lost container could not be swept away; the next start tries again",
              {{"container", c.id}, {"reason", swept.error().text}});
    (void)with_.store.begin_intent("container", c.id, "sweep", {{"runtime", c.runtime}, {"cgroup", cgroup_path(c)}});
}

// Sweeps that failed are tried again; true when that is done with. The container may run again since, or be removed.
bool ContainerService::sweep_again(const store::Intent& intent, const std::set<std::string>& running) {
    if (running.contains(intent.id)) return true;
    std::string runtime, cgroup;
    if (auto read = store::Members(intent.detail).required("runtime", runtime).required("cgroup", cgroup).result();
        !read) {
        log::error("the intent of a sweep is damaged", {{"container", intent.id}, {"reason", read.error().text}});
        return true;
    }
    auto swept = launcher_->sweep(runtime, intent.id, cgroup);
    if (!swept)
        log::warn("a lost container could not be swept away",
                  {{"container", intent.id}, {"reason", swept.error().text}});
    return bool(swept);
}

// Nobody was told that it started: after its end nothing of the start is left.
void ContainerService::take_down_unfinished(Entry& entry) {
    const std::string id = entry.id();
    (void)remove_tree(run_directory(id));
    ::unlink((directory(id) + "/exit.json").c_str());
    log::info("an unfinished start was undone", {{"container", id}});
    std::lock_guard lock(entry.mutex);
    State& state = entry.record.state;
    if (!entry.record.active()) return;
    // Recorded as running by a signal that came before the start had ended.
    state.status = Status::exited;
    state.pid = 0;
    state.exit_code = 128 + SIGKILL;
    state.finished_ns = wall_clock_ns();
    (void)save(entry);
}

// The caller holds entry.operation.
void ContainerService::recover_one(const EntryPtr& entry, bool unfinished_start) {
    Container c = entry->snapshot();
    if (c.state.status == Status::removing) {
        if (auto removed = remove_locked(*entry, c.auto_remove() || c.state.with_volumes); !removed)
            log::warn("an unfinished removal fails again", {{"container", c.id}, {"reason", removed.error().text}});
        return;
    }
    if (!c.active() && !unfinished_start) return;
    bool this_boot = c.state.boot_id == boot_id() || unfinished_start;
    Result<std::shared_ptr<Monitor>> monitor = fail(Code::not_found, "another boot");
    if (this_boot) monitor = launcher_->reconnect(c.id, run_directory(c.id));
    if (unfinished_start) {
        if (monitor) {
            (void)(*monitor)->signal(SIGKILL, true);
            (*monitor)->wait_gone();
        } else {
            sweep(c);
        }
        take_down_unfinished(*entry);
        return;
    }
    if (monitor) {
        auto settings = with_.networks.settings_of(c.id);
        std::lock_guard lock(entry->mutex);
        entry->monitor = *monitor;
        entry->record.state.pid = (*monitor)->pid();
        entry->network_settings = settings.settings;
        entry->ports = settings.ports;
        log::info("a running container was adopted", {{"container", c.id}});
        ++entry->start_number;
        return;
    }
    auto record = read_exit_record(directory(c.id) + "/exit.json");
    if (!record) record = read_exit_record(run_directory(c.id) + "/exit.json");  // the data directory was full
    if (!record && this_boot) sweep(c);
    bool again = false;
    {
        std::lock_guard lock(entry->mutex);
        State& state = entry->record.state;
        state.status = Status::exited;
        state.pid = 0;
        state.exit_code = record ? record->exit_code : 255;
        state.oom_killed = record && record->oom_killed;
        state.finished_ns = record ? record->finished_ns : wall_clock_ns();
        if (!record)
            state.error = this_boot ? "its monitor ended without a record; the container was killed"
                                    : "the machine went down while it ran";
        again = wants_restart(*entry);
        if (again) {
            state.status = Status::restarting;
            ++state.restart_count;
        }
        (void)save(*entry);
    }
    publish(*entry, "die", {{"exitCode", std::to_string(entry->record.state.exit_code)}});
    notify(*entry, false);
}

void ContainerService::begin_closing() {
    {
        std::lock_guard lock(beside_mutex_);
        closing_ = true;
    }
    beside_changed_.notify_all();
}

bool ContainerService::wait_closing(int milliseconds) {
    std::unique_lock lock(beside_mutex_);
    return beside_changed_.wait_for(lock, std::chrono::milliseconds(milliseconds), [&] { return closing_; });
}

void ContainerService::close() {
    begin_closing();
    {
        std::unique_lock lock(beside_mutex_);
        // Clients are gone by now, which ends streams; a probe in flight ends at its own timeout at the latest.
        beside_changed_.wait(lock, [&] { return beside_running_ == 0; });
    }
    timers_.reset();
    empty_graveyard();
    // The launcher's end of the conversation closes; it and its monitors go on.
    launcher_.reset();
}

bool ContainerService::run_beside(std::function<void()> work) {
    {
        std::lock_guard lock(beside_mutex_);
        if (closing_) return false;
        ++beside_running_;
    }
    std::thread([this, work = std::move(work)]() mutable {
        work();
        work = nullptr;  // what it holds goes before close() goes on
        std::lock_guard lock(beside_mutex_);
        --beside_running_;
        beside_changed_.notify_all();
    }).detach();
    return true;
}

Result<Launcher*> ContainerService::ready_launcher() {
    GANTRY_CHECK(launcher_ready());
    return launcher_.get();
}

}  // namespace gantry::container
