// What the parts of PluginService share.
#pragma once
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "core/plugin/plugin_process.hpp"
#include "core/plugin/plugin_service.hpp"

namespace gantry::plugin {

// One plugin. `operation` is held by whoever changes it or its process; `mutex` guards the rest, for moments.
struct Entry {
    std::mutex operation;

    std::mutex mutex;
    std::condition_variable changed;
    Plugin record;
    std::shared_ptr<container::Monitor> monitor;  // of the process that runs
    bool ended = false;                           // that process has ended
    std::string end;                              // how, for people
    bool stopping = false;                        // its end is wanted
    bool removed = false;
    int failures = 0;  // of starts on end

    Plugin copy() {
        std::lock_guard lock(mutex);
        return record;
    }
};
using EntryPtr = std::shared_ptr<Entry>;

struct PluginService::Impl {
    Impl(ServiceSettings settings_, Collaborators with_) : settings(std::move(settings_)), with(std::move(with_)) {}

    const ServiceSettings settings;
    Collaborators with;

    std::mutex mutex;  // all below; never held over anything that blocks
    std::condition_variable changed;
    std::map<std::string, EntryPtr> entries;  // by id
    std::set<std::string> names;              // taken, also by what is being made
    std::set<std::string> making;             // ids whose directories have no record yet
    std::map<std::string, std::int64_t> due;  // id -> when it is to be started (monotonic)
    bool recovered = false, closing = false;
    std::thread keeper;

    std::string root() const { return settings.root + "/plugins"; }
    std::string run() const { return settings.run + "/plugins"; }
    std::string directory(const std::string& id) const { return root() + "/" + id; }
    ProcessSettings process_settings() const { return {settings.engine, root(), run(), with.defaults()}; }

    Result<EntryPtr> find(std::string_view ref);
    std::vector<EntryPtr> all();
    void publish(std::string_view action, const Plugin& plugin);
    // The store first, so that what a client is told survives. The caller holds entry.operation.
    Result<void> keep(Entry& entry, const Plugin& plugin);

    // One that is being made: its name, which nobody else may take, and its directory, which nobody sweeps, until this goes
    // without the plugin being there.
    class Making {
    public:
        Making(Impl* impl, std::string name, std::string id)
            : impl_(impl), name_(std::move(name)), id_(std::move(id)) {}
        Making(Making&& other) noexcept
            : impl_(std::exchange(other.impl_, nullptr)), name_(std::move(other.name_)), id_(std::move(other.id_)) {}
        Making& operator=(Making&&) = delete;
        ~Making();
        const std::string& name() const { return name_; }
        const std::string& id() const { return id_; }

    private:
        Impl* impl_;
        std::string name_, id_;
    };
    // GANTRY_CONFLICT: there is one of that name.
    Result<Making> make(const std::string& reference);
    // A new plugin of what was unpacked: recorded, and found from now on.
    Result<Plugin> add(const Making& making, std::string reference, Content content);

    // service_run.cpp. Waits for the recovery: not to be asked first by who holds an entry's operation.
    Result<container::Launcher*> launcher();
    bool wait_recovered();
    // The caller holds entry.operation.
    Result<void> start(const EntryPtr& entry, int timeout_s);
    Result<void> stop(const EntryPtr& entry, bool force);
    bool wait_ended(Entry& entry, int milliseconds);
    void keep_running();
    void restart(const EntryPtr& entry);
    void schedule(const std::string& id, std::int64_t delay_ns);
    void recover_one(const EntryPtr& entry, container::Launcher& launcher);
    void sweep_strays(container::Launcher& launcher);
};

}  // namespace gantry::plugin
