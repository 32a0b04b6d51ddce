// Plugins that run: enabling, disabling, and what becomes of them when they, or the engine, end.
#include <signal.h>

#include "core/base/clock.hpp"
#include "core/base/failpoint.hpp"
#include "core/base/files.hpp"
#include "core/base/ids.hpp"
#include "core/base/log.hpp"
#include "core/base/text.hpp"
#include "core/plugin/plugin_files.hpp"
#include "core/plugin/plugin_settings.hpp"
#include "core/plugin/service_impl.hpp"

namespace gantry::plugin {
namespace {

constexpr int default_timeout_s = 30, stop_grace_ms = 10'000;
constexpr int try_every_ms = 20;  // while nobody listens yet
constexpr std::int64_t first_pause_ns = 100'000'000, longest_pause_ns = 60'000'000'000;

std::int64_t pause_after(int failures) { return std::min(first_pause_ns << std::min(failures, 20), longest_pause_ns); }

std::string end_text(const container::MonitorEvent& event) {
    return event.type == container::MonitorEvent::Type::lost ? "its monitor ended without a record"
                                                             : "it ended with code " + std::to_string(event.exit_code);
}

}  // namespace

Result<container::Launcher*> PluginService::Impl::launcher() {
    GANTRY_TRY(container::Launcher * launcher, with.launcher());
    if (!wait_recovered()) return fail(Code::retry_later, "the engine is still recovering");
    std::lock_guard lock(mutex);
    if (closing) return fail(Code::retry_later, "the engine is ending");
    return launcher;
}

bool PluginService::Impl::wait_recovered() {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, std::chrono::seconds(60), [&] { return recovered; });
}

bool PluginService::Impl::wait_ended(Entry& entry, int milliseconds) {
    std::unique_lock lock(entry.mutex);
    return entry.changed.wait_for(lock, std::chrono::milliseconds(milliseconds), [&] { return entry.ended; });
}

// The process runs and answers when this returns without an error; otherwise nothing of it is left.
Result<void> PluginService::Impl::start(const EntryPtr& entry, int timeout_s) {
    GANTRY_TRY(container::Launcher * launcher, launcher());
    const ProcessSettings process = process_settings();
    const Plugin plugin = entry->copy();
    GANTRY_CHECK(check_complete(plugin.settings));
    {
        std::lock_guard lock(entry->mutex);
        entry->ended = entry->stopping = false;
        entry->monitor.reset();
    }
    PluginProcess runs(process, plugin, *launcher);
    auto launched = runs.launch();
    if (!launched) return std::move(launched).error().context("plugin " + quote_json(plugin.name));
    {
        std::lock_guard lock(entry->mutex);
        entry->monitor = *launched;
    }
    auto ready = runs.wait_ready((timeout_s > 0 ? timeout_s : default_timeout_s) * 1000, [&]() -> std::string {
        {
            std::lock_guard lock(mutex);
            if (closing) return "the engine is ending";
        }
        if (!wait_ended(*entry, try_every_ms)) return {};
        std::lock_guard lock(entry->mutex);
        return entry->end + " before it answered";
    });
    if (ready) return {};
    {
        std::lock_guard lock(entry->mutex);
        entry->stopping = true;
    }
    if (auto stopped = runs.stop(**launched, 0, [&](int ms) { return wait_ended(*entry, ms); }); !stopped)
        log::error("a plugin that does not answer could not be ended", {{"reason", stopped.error().text}});
    std::lock_guard lock(entry->mutex);
    entry->monitor.reset();
    return ready;
}

Result<void> PluginService::Impl::stop(const EntryPtr& entry, bool force) {
    GANTRY_TRY(container::Launcher * launcher, launcher());
    std::shared_ptr<container::Monitor> monitor;
    {
        std::lock_guard lock(entry->mutex);
        entry->stopping = true;
        monitor = entry->monitor;
    }
    const ProcessSettings process = process_settings();
    const Plugin plugin = entry->copy();
    PluginProcess runs(process, plugin, *launcher);
    if (!monitor) {
        runs.clear();
        return {};
    }
    auto stopped = runs.stop(*monitor, force ? 0 : stop_grace_ms, [&](int ms) { return wait_ended(*entry, ms); });
    std::lock_guard lock(entry->mutex);
    if (!stopped) {
        entry->stopping = false;
        return stopped;
    }
    entry->monitor.reset();
    return {};
}

Result<void> PluginService::enable(std::string_view ref, int timeout_s) {
    GANTRY_TRY(EntryPtr entry, impl_->find(ref));
    GANTRY_CHECK(impl_->launcher());  // a recovery that is under way needs what is held from here on
    std::lock_guard operation(entry->operation);
    Plugin plugin = entry->copy();
    if (entry->removed) return fail(Code::not_found, "plugin " + quote_json(plugin.name) + " not found");
    if (plugin.enabled) return fail(Code::conflict, "plugin " + quote_json(plugin.name) + " is already enabled");
    GANTRY_CHECK(impl_->start(entry, timeout_s));
    plugin.enabled = true;
    plugin.timeout_s = timeout_s;
    if (auto kept = impl_->keep(*entry, plugin); !kept) {
        (void)impl_->stop(entry, true);
        return kept;
    }
    bool ended = false;
    {
        std::lock_guard lock(entry->mutex);
        entry->failures = 0;
        ended = entry->ended;
    }
    // In the moment before it was recorded, nobody would have started it again.
    if (ended) impl_->schedule(plugin.id, first_pause_ns);
    impl_->publish("enable", plugin);
    return {};
}

Result<void> PluginService::disable(std::string_view ref, bool force) {
    GANTRY_TRY(EntryPtr entry, impl_->find(ref));
    GANTRY_CHECK(impl_->launcher());
    std::lock_guard operation(entry->operation);
    Plugin plugin = entry->copy();
    if (entry->removed) return fail(Code::not_found, "plugin " + quote_json(plugin.name) + " not found");
    if (!plugin.enabled) return fail(Code::conflict, "plugin " + quote_json(plugin.name) + " is already disabled");
    GANTRY_CHECK(impl_->stop(entry, force));
    plugin.enabled = false;
    auto kept = [&]() -> Result<void> {
        GANTRY_FAILPOINT("plugin.disable.stopped");
        return impl_->keep(*entry, plugin);
    }();
    if (!kept) {
        impl_->schedule(plugin.id, 0);  // what is recorded is what is true
        return kept;
    }
    impl_->publish("disable", plugin);
    return {};
}

bool PluginService::on_monitor_event(const std::string& id, const container::MonitorEvent& event) {
    using Type = container::MonitorEvent::Type;
    EntryPtr entry;
    {
        std::lock_guard lock(impl_->mutex);
        auto found = impl_->entries.find(id);
        if (found == impl_->entries.end()) return false;
        entry = found->second;
    }
    if (event.type != Type::exited && event.type != Type::lost) return true;
    bool again = false;
    int failures = 0;
    {
        std::lock_guard lock(entry->mutex);
        if (std::exchange(entry->ended, true)) return true;
        entry->end = end_text(event);
        again = entry->record.enabled && !entry->stopping;
        failures = entry->failures;
    }
    entry->changed.notify_all();
    if (again) impl_->schedule(id, pause_after(failures));
    return true;
}

void PluginService::Impl::schedule(const std::string& id, std::int64_t delay_ns) {
    {
        std::lock_guard lock(mutex);
        due[id] = monotonic_ns() + delay_ns;
    }
    changed.notify_all();
}

// Sleeps nearly always: until a plugin has ended that is to run.
void PluginService::Impl::keep_running() {
    std::unique_lock lock(mutex);
    while (!closing) {
        if (due.empty()) {
            changed.wait(lock);
            continue;
        }
        auto first =
            std::min_element(due.begin(), due.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
        if (const std::int64_t wait = first->second - monotonic_ns(); wait > 0) {
            changed.wait_for(lock, std::chrono::nanoseconds(wait));
            continue;
        }
        auto found = entries.find(first->first);
        EntryPtr entry = found == entries.end() ? nullptr : found->second;
        due.erase(first);
        if (!entry) continue;
        lock.unlock();
        restart(entry);
        lock.lock();
    }
}

void PluginService::Impl::restart(const EntryPtr& entry) {
    std::lock_guard operation(entry->operation);
    Plugin plugin;
    std::shared_ptr<container::Monitor> ended;
    std::string why;
    {
        std::lock_guard lock(entry->mutex);
        plugin = entry->record;
        if (entry->removed || !plugin.enabled || (entry->monitor && !entry->ended)) return;
        ended = std::exchange(entry->monitor, nullptr);
        why = entry->end;
    }
    if (ended) {
        log::warn("a plugin has ended and is started again", {{"plugin", plugin.name}, {"reason", why}});
        ended->wait_gone();
    }
    GANTRY_FAILPOINT_VOID("plugin.restart");
    auto started = start(entry, plugin.timeout_s);
    int failures = 0;
    bool over = false;
    {
        std::lock_guard lock(entry->mutex);
        failures = started ? 0 : ++entry->failures;
        entry->stopping = false;
        over = started && entry->ended;
    }
    if (!started) {
        log::error("an enabled plugin does not start", {{"plugin", plugin.name}, {"reason", started.error().text}});
        schedule(plugin.id, pause_after(failures));
    } else if (over) {
        schedule(plugin.id, first_pause_ns);
    }
}

// The caller holds entry.operation.
void PluginService::Impl::recover_one(const EntryPtr& entry, container::Launcher& launcher) {
    const ProcessSettings process = process_settings();
    const Plugin plugin = entry->copy();
    PluginProcess runs(process, plugin, launcher);
    auto monitor = runs.reconnect();
    if (monitor && plugin.enabled) {
        std::lock_guard lock(entry->mutex);
        entry->monitor = std::move(*monitor);
        log::info("a running plugin was adopted", {{"plugin", plugin.name}});
    } else {
        if (monitor) {
            (void)(*monitor)->signal(SIGKILL, true);
            (*monitor)->wait_gone();
            log::info("an unfinished start of a plugin was undone", {{"plugin", plugin.name}});
        }
        runs.clear();
        if (plugin.enabled) schedule(plugin.id, 0);
    }
    if (auto swept = sweep_directory(directory(plugin.id), plugin.content); !swept)
        log::warn("what an unfinished upgrade left could not be deleted",
                  {{"plugin", plugin.name}, {"reason", swept.error().text}});
}

// What no record names: a creation or removal that was cut off.
void PluginService::Impl::sweep_strays(container::Launcher& launcher) {
    auto known = [&](const std::string& id) {
        std::lock_guard lock(mutex);
        return entries.contains(id) || making.contains(id) || !is_id_prefix(id) || id.size() != 64;
    };
    const ProcessSettings process = process_settings();
    for (const std::string& base : {run(), root()}) {
        auto ids = list_directory(base);
        if (!ids) continue;
        for (const std::string& id : *ids) {
            if (known(id)) continue;
            Plugin plugin;
            plugin.id = plugin.name = id;
            PluginProcess runs(process, plugin, launcher);
            if (auto monitor = runs.reconnect()) {
                (void)(*monitor)->signal(SIGKILL, true);
                (*monitor)->wait_gone();
            }
            runs.clear();
            if (auto gone = remove_directory(directory(id)); !gone)
                log::warn("an unfinished plugin could not be deleted", {{"plugin", id}, {"reason", gone.error().text}});
            else
                log::info("an unfinished plugin was deleted", {{"plugin", id}});
        }
    }
}

void PluginService::recover() {
    auto launcher = impl_->with.launcher();
    if (!launcher) {
        log::error("plugins cannot be started", {{"reason", launcher.error().text}});
        return;
    }
    for (const EntryPtr& entry : impl_->all()) {
        std::lock_guard operation(entry->operation);
        if (!entry->removed) impl_->recover_one(entry, **launcher);
        GANTRY_FAILPOINT_VOID("plugin.recover.one");
    }
    impl_->sweep_strays(**launcher);
    GANTRY_FAILPOINT_VOID("plugin.recover.swept");
    {
        std::lock_guard lock(impl_->mutex);
        impl_->recovered = true;
        if (!impl_->closing) impl_->keeper = std::thread([this] { impl_->keep_running(); });
    }
    impl_->changed.notify_all();
}

void PluginService::begin_closing() {
    {
        std::lock_guard lock(impl_->mutex);
        impl_->closing = true;
    }
    impl_->changed.notify_all();
}

void PluginService::close() {
    begin_closing();
    if (impl_->keeper.joinable()) impl_->keeper.join();
    // Clients are gone; what they began ends at its own deadline at the latest.
    for (const EntryPtr& entry : impl_->all()) std::lock_guard operation(entry->operation);
}

void PluginService::stop_all() {
    // What a recovery that is still under way adopts is stopped, too.
    auto launcher = impl_->with.launcher();
    if (launcher) (void)impl_->wait_recovered();
    close();
    if (!launcher) return;
    const ProcessSettings process = impl_->process_settings();
    // All are told before any is waited for.
    const auto entries = impl_->all();
    for (const EntryPtr& entry : entries) {
        std::lock_guard lock(entry->mutex);
        entry->stopping = true;
        if (entry->monitor) (void)entry->monitor->signal(SIGTERM, false);
    }
    const std::int64_t end = monotonic_ns() + std::int64_t{stop_grace_ms} * 1'000'000;
    for (const EntryPtr& entry : entries) {
        std::lock_guard operation(entry->operation);
        const Plugin plugin = entry->copy();
        PluginProcess runs(process, plugin, **launcher);
        auto monitor = [&] {
            std::lock_guard lock(entry->mutex);
            return std::exchange(entry->monitor, nullptr);
        }();
        if (!monitor) {
            runs.clear();
            continue;
        }
        const std::int64_t left_ms = std::max<std::int64_t>((end - monotonic_ns()) / 1'000'000, 0);
        (void)impl_->wait_ended(*entry, static_cast<int>(left_ms));
        if (auto stopped = runs.stop(*monitor, 0, [&](int ms) { return impl_->wait_ended(*entry, ms); }); !stopped)
            log::error("a plugin does not end", {{"reason", stopped.error().text}});
    }
}

}  // namespace gantry::plugin
