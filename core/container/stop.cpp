// Signals and what is made of them: stop, restart, kill, pause, unpause.
#include <signal.h>

#include "core/base/failpoint.hpp"
#include "core/base/log.hpp"
#include "core/container/entry.hpp"

namespace gantry::container {
namespace {
// Beyond a SIGKILL to everything, the kernel ends processes in moments; what is left stands in an uninterruptible call.
constexpr int kill_patience_ms = 10'000;
}  // namespace

// A full disk must not keep a container from being ended: that its user wished it matters to the restart policy of an
// engine that comes after this one, and no more. The caller holds entry.mutex.
void ContainerService::save_wish(Entry& entry) {
    if (auto saved = save(entry); !saved)
        log::warn("a container's stop could not be recorded before it is done",
                  {{"container", entry.record.id}, {"reason", saved.error().text}});
}

Result<Done> ContainerService::stop(const std::string& ref, const std::string& signal, std::optional<int> timeout_s) {
    GANTRY_CHECK(launcher_ready());
    GANTRY_TRY(EntryPtr entry, find(ref));
    std::shared_ptr<Monitor> monitor;
    bool paused = false;
    std::string word = signal;
    int seconds = 0;
    {
        std::lock_guard lock(entry->mutex);
        Container& c = entry->record;
        if (word.empty()) word = c.stop_signal();
        seconds = timeout_s ? *timeout_s : c.config.value("StopTimeout", adjustable()->stop_timeout_s);
        if (c.state.status == Status::restarting) {
            // Between two starts there is nothing to signal; the next one is called off.
            c.state.status = Status::exited;
            c.state.stopped_by_user = true;
            save_wish(*entry);
        } else if (!c.active()) {
            return Done::not_modified;
        } else {
            monitor = entry->monitor;
            paused = c.state.status == Status::paused;
        }
    }
    if (!monitor) {
        notify(*entry, false);
        return Done::changed;
    }
    GANTRY_TRY(int number, parse_signal(word));
    {
        std::lock_guard lock(entry->mutex);
        entry->record.state.stopped_by_user = true;
        save_wish(*entry);
    }
    GANTRY_FAILPOINT("container.stop.before_signal");
    // A frozen process takes no signal before it thaws.
    if (paused) (void)monitor->driver_call("runtime.pause/1", "resume", {{"id", entry->id()}});
    publish(*entry, "kill", {{"signal", std::to_string(number)}});
    auto sent = monitor->signal(number, false);
    GANTRY_FAILPOINT("container.stop.after_signal");
    if (!sent || !wait_inactive(*entry, seconds < 0 ? -1 : seconds * 1000)) {
        publish(*entry, "kill", {{"signal", std::to_string(SIGKILL)}});
        (void)monitor->signal(SIGKILL, true);
        GANTRY_FAILPOINT("container.stop.after_kill");
        if (!wait_inactive(*entry, kill_patience_ms))
            return fail(Code::deadline,
                        "cannot stop container: " + entry->id() + ": a process does not end on SIGKILL");
    }
    publish(*entry, "stop");
    return Done::changed;
}

Result<void> ContainerService::restart(const std::string& ref, const std::string& signal,
                                       std::optional<int> timeout_s) {
    GANTRY_TRY(EntryPtr entry, find(ref));
    std::string id = entry->id();
    // An ephemeral container that stops is gone: it starts anew only if it need not be stopped.
    bool ephemeral = entry->record.auto_remove() && entry->snapshot().active();
    if (ephemeral) return fail(Code::conflict, "a container that is removed at its end (--rm) cannot be restarted");
    GANTRY_CHECK(stop(id, signal, timeout_s));
    GANTRY_CHECK(start(id));
    publish(*entry, "restart");
    return {};
}

Result<void> ContainerService::kill(const std::string& ref, const std::string& signal) {
    GANTRY_CHECK(launcher_ready());
    GANTRY_TRY(int number, parse_signal(signal.empty() ? "SIGKILL" : signal));
    GANTRY_TRY(EntryPtr entry, find(ref));
    std::shared_ptr<Monitor> monitor;
    bool paused = false;
    {
        std::lock_guard lock(entry->mutex);
        if (!entry->record.active() || !entry->monitor)
            return fail(Code::conflict,
                        "cannot kill container: " + ref + ": container " + entry->record.id + " is not running");
        monitor = entry->monitor;
        paused = entry->record.state.status == Status::paused;
        // The signal that ends it by its user's will also ends what the restart policy would do.
        auto stop_number = parse_signal(entry->record.stop_signal());
        if (number == SIGKILL || (stop_number && number == *stop_number)) {
            entry->record.state.stopped_by_user = true;
            save_wish(*entry);
        }
    }
    if (paused && number == SIGKILL) (void)monitor->driver_call("runtime.pause/1", "resume", {{"id", entry->id()}});
    GANTRY_CHECK(monitor->signal(number, false));
    publish(*entry, "kill", {{"signal", std::to_string(number)}});
    if (number == SIGKILL && !wait_inactive(*entry, kill_patience_ms))
        return fail(Code::deadline, "cannot kill container: " + ref + ": a process does not end on SIGKILL");
    return {};
}

Result<void> ContainerService::set_paused(const std::string& ref, bool pause) {
    GANTRY_CHECK(launcher_ready());
    GANTRY_TRY(EntryPtr entry, find(ref));
    std::lock_guard operation(entry->operation);
    std::shared_ptr<Monitor> monitor;
    {
        std::lock_guard lock(entry->mutex);
        if (!entry->record.active() || !entry->monitor)
            return fail(Code::conflict, "Container " + entry->record.id + " is not running");
        if (pause == (entry->record.state.status == Status::paused))
            return fail(Code::conflict,
                        "Container " + entry->record.id + (pause ? " is already paused" : " is not paused"));
        monitor = entry->monitor;
    }
    GANTRY_CHECK(monitor->driver_call("runtime.pause/1", pause ? "pause" : "resume", {{"id", entry->id()}}));
    {
        std::lock_guard lock(entry->mutex);
        if (entry->record.active()) entry->record.state.status = pause ? Status::paused : Status::running;
        GANTRY_CHECK(save(*entry));
    }
    publish(*entry, pause ? "pause" : "unpause");
    return {};
}

Result<void> ContainerService::pause(const std::string& ref) { return set_paused(ref, true); }
Result<void> ContainerService::unpause(const std::string& ref) { return set_paused(ref, false); }

void ContainerService::stop_all() {
    // Nothing is brought back by a recovery that is still under way.
    (void)launcher_ready();
    std::vector<std::thread> workers;
    std::atomic<std::size_t> next{0};
    auto entries = all();
    const auto settings = adjustable();
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(settings->shutdown_timeout_s);
    // Its own grace, but no more than is left of everyone's.
    auto grace_of = [&](Entry& entry) {
        const auto left = std::chrono::duration_cast<std::chrono::seconds>(end - std::chrono::steady_clock::now());
        const int most = static_cast<int>(std::max<std::int64_t>(left.count(), 0));
        std::lock_guard lock(entry.mutex);
        const int own = entry.record.config.value("StopTimeout", settings->stop_timeout_s);
        return own < 0 ? most : std::min(own, most);
    };
    // Eight at a time: one that takes its whole grace does not hold up the rest.
    for (int i = 0; i < 8; ++i)
        workers.emplace_back([&] {
            for (std::size_t at; (at = next++) < entries.size();) {
                (void)stop(entries[at]->id(), "", grace_of(*entries[at]));
                std::lock_guard operation(entries[at]->operation);  // its end has been handled
            }
        });
    for (auto& worker : workers) worker.join();
    for (auto& [id, monitor] : strays_) {
        (void)monitor->signal(SIGKILL, true);
        monitor->wait_gone();
        (void)with_.networks.detach(id, true);
    }
}

}  // namespace gantry::container
