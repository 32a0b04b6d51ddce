// What runs of an enabled plugin: a process confined like a container's, in namespaces and a control group of its own, held by
// a monitor, and reached by a socket in RUN/plugins/ID/sockets.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "core/container/create_request.hpp"
#include "core/container/monitor_client.hpp"
#include "core/plugin/plugin_record.hpp"

namespace gantry::plugin {

struct ProcessSettings {
    std::string engine;     // prefix of control groups
    std::string root, run;  // ROOT/plugins, RUN/plugins
    container::CreateDefaults defaults;
};

class PluginProcess {
public:
    PluginProcess(const ProcessSettings& settings, const Plugin& plugin, container::Launcher& launcher)
        : settings_(settings), plugin_(plugin), launcher_(launcher) {}

    // Starts it. Nothing of it is left where that fails.
    Result<std::shared_ptr<container::Monitor>> launch();
    // Waits until it answers and says that it implements what its configuration has. `ended` is asked between two tries,
    // waits there for a moment, and says that there is no use in going on, with the reason; "": there is. GANTRY_INTERNAL,
    // naming the plugin.
    Result<void> wait_ready(int timeout_ms, const std::function<std::string()>& ended);
    // The monitor of one that runs since before this engine's start. GANTRY_NOT_FOUND: there is none.
    Result<std::shared_ptr<container::Monitor>> reconnect();
    // Takes away what is left of one that has ended or was killed: processes, control groups, mounts, the run directory.
    void clear();
    // The same of one that may run: by a signal, then by force.
    Result<void> stop(container::Monitor& monitor, int grace_ms,
                      const std::function<bool(int milliseconds)>& wait_ended);

private:
    struct Start;
    Result<void> specify(Start& start);
    Result<void> add_mounts(Start& start);
    std::string directory() const { return settings_.root + "/" + plugin_.id; }
    std::string run() const { return settings_.run + "/" + plugin_.id; }
    std::string cgroup() const { return "/" + settings_.engine + "/" + plugin_.id; }

    const ProcessSettings& settings_;
    const Plugin& plugin_;
    container::Launcher& launcher_;
};

}  // namespace gantry::plugin
