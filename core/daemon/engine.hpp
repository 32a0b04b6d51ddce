// The engine as a whole: everything it is made of, wired together, served, and taken down.
#pragma once
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "core/build/service.hpp"
#include "core/config/live.hpp"
#include "core/container/service.hpp"
#include "core/daemon/buildkit_helper.hpp"
#include "core/daemon/deps.hpp"
#include "core/daemon/events.hpp"
#include "core/daemon/http/http.hpp"
#include "core/daemon/paths.hpp"
#include "core/daemon/reload.hpp"
#include "core/daemon/resolver_keeper.hpp"
#include "core/daemon/tcp_gate.hpp"
#include "core/image/registry/service.hpp"
#include "core/plugin/plugin_service.hpp"

namespace gantry::daemon {

enum class TraceStart { no = 1, yes };

class Engine {
public:
    // Opens the stores, finds the drivers, binds the socket. No driver of a network or volume has been asked anything
    // when it returns.
    static Result<std::unique_ptr<Engine>> create(config::Config config, Paths paths, TraceStart trace);
    ~Engine();

    // Serves until stop(). Recovery runs beside it, on a thread of its own.
    void run();
    // Ends run(). Containers go on. Any thread.
    void stop();
    // Reads the configuration anew, on a worker thread, and puts into force what can change while the engine runs; the
    // event "reload" tells of it. A bad one changes nothing. Any thread; returns at once.
    void reload(const ConfigSource& source);

private:
    Engine(config::Config config, Paths paths);
    Result<void> open(TraceStart trace);
    void fill_deps(driver::Settings driver_settings);
    Result<void> open_plugins();
    void put_in_force(const config::Config& config);
    void recover();
    void collect_garbage();
    void watch_images();
    // POST /gantry/shutdown.
    void shut_down(bool containers);

    config::Live config_;
    Paths paths_;
    std::string name_;
    UniqueFd lock_;
    std::unique_ptr<store::Store> store_;
    std::unique_ptr<driver::Registry> registry_;
    std::unique_ptr<image::ImageStore> images_;
    std::unique_ptr<image::registry::Service> registries_;
    std::unique_ptr<volume::VolumeService> volumes_;
    std::unique_ptr<network::NetworkService> networks_;
    std::unique_ptr<EventBus> events_;
    std::unique_ptr<container::ContainerService> containers_;
    std::unique_ptr<plugin::PluginService> plugins_;
    std::unique_ptr<build::BuildService> builds_;
    std::unique_ptr<Deps> deps_;
    std::unique_ptr<BuildkitHelper> buildkit_;
    http::Router router_;
    std::unique_ptr<http::Server> server_;
    std::unique_ptr<TcpGate> gate_;  // null: no TCP
    std::mutex reload_mutex_;        // one reload at a time
    std::mutex resolver_mutex_;
    std::unique_ptr<ResolverKeeper> resolver_;
    std::thread recovery_;
};

}  // namespace gantry::daemon
