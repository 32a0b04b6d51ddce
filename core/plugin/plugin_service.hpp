// Managed plugins, the engine's side: programs of others that come with a root file system and a configuration, from an
// archive or a registry, and answer on a socket while they are enabled. One object; every method is thread-safe, may block
// (worker threads only) and holds no lock over the work of a plugin. Errors carry Docker's words.
//
// What lies in a plugin's directory is there before the record that names it, and goes after it: what no record names is
// swept at the next start. So a crash leaves each plugin wholly there or wholly gone. One that is recorded as enabled runs, and is
// started again when it ends, also with the engine; one that runs and is not so recorded is ended.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <gantry/json.hpp>
#include <gantry/result.hpp>

#include "core/container/create_request.hpp"
#include "core/container/monitor_client.hpp"
#include "core/image/registry/service.hpp"
#include "core/plugin/plugin_record.hpp"
#include "core/store/store.hpp"

namespace gantry::plugin {

struct ServiceSettings {
    std::string engine;     // prefix of control groups
    std::string root, run;  // root/plugins/ID, run/plugins/ID
};

struct Collaborators {
    store::Store& store;
    image::registry::Service& registries;
    // The launcher, waiting for it if need be.
    std::function<Result<container::Launcher*>()> launcher;
    std::function<container::CreateDefaults()> defaults;
    // Tells the world: ("enable", id, {"name"}).
    std::function<void(std::string_view action, const std::string& id, const Json& attributes)> publish;
};

// What is asked of a registry.
struct RemoteWish {
    std::string remote;  // a reference
    Json granted;        // the privileges that the user agrees to
    image::registry::Credentials credentials;
};

// A plugin's name, with its tag: "vieux/sshfs:latest" of "vieux/sshfs". GANTRY_INVALID: no reference, or one by digest.
Result<std::string> full_name(const std::string& reference);

class PluginService {
public:
    // Reads the plugins from the store; damaged ones are set aside, with their files.
    static Result<std::unique_ptr<PluginService>> open(ServiceSettings settings, Collaborators collaborators);
    ~PluginService();

    // After the start: adopts what runs, ends what should not, sweeps, and has enabled ones started that do not run. What
    // starts and stops waits for it.
    void recover();
    // What a monitor tells; false: it is no plugin's. Any thread, blocks for nothing.
    bool on_monitor_event(const std::string& id, const container::MonitorEvent& event);
    // The engine ends: nothing is started any more; what runs goes on. close() waits for what was begun.
    void begin_closing();
    void close();
    // The same, and all that runs is stopped. They are enabled still, and run again with the next engine.
    void stop_all();

    // `ref`: a name with or without its tag, an id or an unambiguous beginning of one.
    std::vector<Plugin> list();
    Result<Plugin> inspect(std::string_view ref);
    // Of an archive that is read from `body` (plugin_files.hpp).
    Result<Plugin> create(const std::string& name, int body);
    // Starts it and waits until it answers, `timeout_s` at most (0: thirty seconds).
    Result<void> enable(std::string_view ref, int timeout_s);
    // `force`: it is given no time to end by itself.
    Result<void> disable(std::string_view ref, bool force);
    // Gives what was removed. An enabled one only by `force`.
    Result<Plugin> remove(std::string_view ref, bool force);
    // NAME[.FIELD]=VALUE, all or none; not of an enabled one.
    Result<void> set(std::string_view ref, const std::vector<std::string>& arguments);

    using Cancelled = image::registry::Cancelled;
    using Progress = image::Progress;
    // What one would have to agree to.
    Result<Json> privileges(const RemoteWish& wish, const Cancelled& cancelled);
    // `name` "": that of the reference. GANTRY_DENIED: other privileges are needed than are granted.
    Result<Plugin> pull(const std::string& name, const RemoteWish& wish, const Progress& progress,
                        const Cancelled& cancelled);
    // The same id and name with the content of the reference; what was set stays where it can.
    Result<void> upgrade(std::string_view ref, const RemoteWish& wish, const Progress& progress,
                         const Cancelled& cancelled);
    // To the registry and repository that it is named after.
    Result<void> push(std::string_view ref, const image::registry::Credentials& credentials, const Progress& progress,
                      const Cancelled& cancelled);

private:
    struct Impl;
    explicit PluginService(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace gantry::plugin
