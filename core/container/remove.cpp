// Removal: first marked, so that a crash finishes it; then layer, volumes, files, name.
#include <cstdio>

#include "core/base/failpoint.hpp"
#include "core/base/files.hpp"
#include "core/base/log.hpp"
#include "core/container/executions.hpp"
#include "core/container/trace.hpp"

namespace gantry::container {
namespace {

constexpr int most_removal_attempts = 5;

constexpr int calm_ms = 20;  // longer than what else there is to do at a container's end

}  // namespace

void ContainerService::discard_layer(const std::string& driver_name, const std::string& key) {
    auto layers = with_.drivers.get(driver::Kind::layer, driver_name);
    Result<driver::Reply> removed =
        layers ? (*layers)->call("layer/1", "remove", {{"key", key}}, {}, driver::Deadline::longer)
               : Result<driver::Reply>(layers.error());
    if (!removed)
        log::warn("a container's layer could not be removed", {{"layer", key}, {"reason", removed.error().text}});
}

// Out of the way by a rename; its files, perhaps a long log, go when nobody waits for it.
Result<void> ContainerService::discard_directory(const std::string& id) {
    const std::string grave = graveyard() + "/" + id;
    if (::rename(directory(id).c_str(), grave.c_str()) != 0) return remove_tree(directory(id));
    timers_->after(calm_ms, [grave] { (void)remove_tree(grave); });
    return {};
}

void ContainerService::empty_graveyard() {
    if (auto names = list_directory(graveyard()))
        for (const std::string& name : *names) (void)remove_tree(graveyard() + "/" + name);
}

// The caller holds entry.operation; the container does not run.
Result<void> ContainerService::remove_locked(Entry& entry, bool volumes) {
    const Container c = entry.snapshot();
    Trace trace(settings_.trace_start, "removal", c.id);
    {
        std::lock_guard lock(entry.mutex);
        const Status before = std::exchange(entry.record.state.status, Status::removing);
        entry.record.state.with_volumes = volumes;
        // Of a container that removes itself, the end on record is mark enough: recovery goes on from it.
        const bool marked = before == Status::exited && c.auto_remove() && c.state.started_ns != 0;
        auto saved = marked ? Result<void>() : save(entry);
        // On a full disk the removal is what makes room: a crash in its middle leaves a container that can be removed again.
        if (!saved && saved.error().code != Code::exhausted) {
            entry.record.state.status = before;
            return saved;
        }
    }
    trace.step("mark");
    GANTRY_FAILPOINT("container.remove.after_mark");
    // Whatever fails from here on is reported and gone on from: the container shall not stay half removed.
    (void)with_.networks.detach(c.id, true);
    trace.step("network");
    auto layers = with_.drivers.get(driver::Kind::layer, c.layer_driver);
    if (!layers) return std::move(layers).error();
    GANTRY_CHECK((*layers)->call("layer/1", "remove", {{"key", c.layer}}, {}, driver::Deadline::longer));
    for (const std::string& view : image_views(c))
        GANTRY_CHECK((*layers)->call("layer/1", "remove", {{"key", view}}, {}, driver::Deadline::longer));
    trace.step("layer");
    GANTRY_FAILPOINT("container.remove.after_layer");
    for (const MountPoint& point : c.mounts) {
        if (point.type != "volume") continue;
        (void)with_.volumes.unpublish(point.name, c.id);
        // An anonymous volume goes with its container only when asked, or with a container that removes itself.
        if (volumes && point.anonymous)
            if (auto removed = with_.volumes.remove(point.name, true);
                !removed && removed.error().code != Code::conflict)
                log::warn("an anonymous volume could not be removed",
                          {{"volume", point.name}, {"reason", removed.error().text}});
    }
    trace.step("volumes");
    GANTRY_FAILPOINT("container.remove.after_volumes");
    GANTRY_CHECK(discard_directory(c.id));
    GANTRY_CHECK(remove_tree(run_directory(c.id)));
    trace.step("files");
    GANTRY_CHECK(with_.store.erase("container", c.id));
    trace.step("record");
    GANTRY_FAILPOINT_VOID("container.remove.after_erase");
    {
        std::lock_guard index(index_mutex_);
        entries_.erase(c.id);
        names_.erase(c.name);
        forget_links(c.id);
    }
    executions_->erase_of(c.id);
    {
        std::lock_guard lock(entry.mutex);
        entry.removed = true;
        entry.waiting.clear();
    }
    mark_images_used(c);
    publish(entry, "destroy");
    notify(entry, true);
    return {};
}

Result<void> ContainerService::remove(const std::string& ref, bool volumes, bool force) {
    GANTRY_CHECK(launcher_ready());
    GANTRY_TRY(EntryPtr entry, find(ref));
    for (int attempt = 1;; ++attempt) {
        std::shared_ptr<Monitor> monitor;
        {
            std::lock_guard lock(entry->mutex);
            State& state = entry->record.state;
            if (entry->record.active() || state.status == Status::restarting) {
                if (!force)
                    return fail(Code::conflict, "cannot remove container \"/" + entry->record.name +
                                                    "\": container is " + std::string(name_of(state.status)) +
                                                    ": stop the container before removing or force remove");
                state.stopped_by_user = true;
                if (state.status == Status::restarting) state.status = Status::exited;
                monitor = entry->monitor;
            }
        }
        if (monitor) {
            if (entry->snapshot().state.status == Status::paused)
                (void)monitor->driver_call("runtime.pause/1", "resume", {{"id", entry->id()}});
            (void)monitor->signal(9, true);
            if (!wait_inactive(*entry, 10'000))
                return fail(Code::deadline,
                            "could not kill container " + entry->id() + ": a process does not end on SIGKILL");
        }
        std::lock_guard operation(entry->operation);
        {
            std::lock_guard lock(entry->mutex);
            if (entry->removed) return {};  // it removed itself at its end, which is what was asked for
            const bool started = entry->record.active();
            // A start by its restart policy was under way already: it is ended in its turn.
            if (started && force && attempt < most_removal_attempts) continue;
            if (started)
                return fail(Code::conflict,
                            "cannot remove container \"/" + entry->record.name + "\": it was started meanwhile");
        }
        return remove_locked(*entry, volumes);
    }
}

}  // namespace gantry::container
