#include "core/daemon/engine.hpp"

#include "core/base/clock.hpp"
#include "core/base/files.hpp"
#include "core/base/ids.hpp"
#include "core/base/log.hpp"
#include "core/daemon/api/api.hpp"
#include "core/daemon/api/build.hpp"
#include "core/daemon/api/containers.hpp"
#include "core/daemon/image_gc.hpp"
#include "core/daemon/api/image_registry.hpp"
#include "core/daemon/lock.hpp"
#include "core/daemon/registries.hpp"

namespace gantry::daemon {
namespace {

// Made once, kept in the store: what GET /info calls ID.
Result<std::string> engine_id(store::Store& store) {
    GANTRY_TRY(auto known, store.setting("engine.id"));
    if (known) return *known;
    std::string id = new_id();
    GANTRY_CHECK(store.set_setting("engine.id", id));
    return id;
}

// What gantry-launcher is told: the runtime drivers of the configuration, the default one among them.
Json launcher_settings(const config::Config& config, const driver::Registry& registry,
                       const driver::Settings& drivers) {
    Json runtimes{{config.defaults.runtime, {{"use", ""}, {"options", Json::object()}}}};
    for (const driver::Wanted& wanted : registry.configured(driver::Kind::runtime))
        runtimes[wanted.name] = {{"use", wanted.use}, {"options", wanted.options}};
    return {{"engine", drivers.engine},
            {"path", drivers.path},
            {"root", drivers.root},
            {"runtimes", runtimes},
            {"log_level", config.log_level}};
}

container::Adjustable adjustable(const config::Config& config) {
    container::Adjustable settings;
    settings.defaults.runtime = config.defaults.runtime;
    settings.defaults.layer_driver = config.defaults.layer;
    settings.defaults.log_driver = config.log.driver;
    if (config.log.driver != "none")
        settings.defaults.log_options = {{"max-size", std::to_string(config.log.max_size)},
                                         {"max-file", std::to_string(config.log.max_file)}};
    settings.defaults.pids_limit = config.pids_limit;
    settings.stop_timeout_s = config.stop_timeout;
    settings.shutdown_timeout_s = config.shutdown_timeout;
    settings.dns = config.dns;
    return settings;
}

build::BuildSettings build_settings(const config::Config& config) {
    build::BuildSettings settings;
    settings.cache_max_size = config.build.cache_max_size;
    settings.cache_max_age_ns = config.build.cache_max_age * 1'000'000'000;
    settings.entitlements = {config.build.entitlements.begin(), config.build.entitlements.end()};
    return settings;
}

}  // namespace

Engine::Engine(config::Config config, Paths paths) : config_(std::move(config)), paths_(std::move(paths)) {}

Engine::~Engine() {
    if (recovery_.joinable()) recovery_.join();
    resolver_.reset();
    if (plugins_) plugins_->close();
    if (containers_) containers_->close();
    server_.reset();
}

Result<std::unique_ptr<Engine>> Engine::create(config::Config config, Paths paths, TraceStart trace) {
    std::unique_ptr<Engine> engine(new Engine(std::move(config), std::move(paths)));
    GANTRY_CHECK(engine->open(trace));
    return engine;
}

Result<void> Engine::open(TraceStart trace) {
    const auto in_force = config_.get();
    const config::Config& config = *in_force;
    name_ = config::engine_name(config, paths_.root);
    // 0711: a user namespace's root passes through to its own layers, and can list nothing.
    GANTRY_CHECK(make_directories(paths_.root, 0711));
    GANTRY_CHECK(make_directories(paths_.run, 0711));
    GANTRY_TRY(lock_, lock_root(paths_.root));
    std::string quarantined;
    GANTRY_TRY(store_, store::Store::open(paths_.root + "/state.db", &quarantined));
    if (!quarantined.empty()) log::error("the state was damaged", {{"reason", quarantined}});

    driver::Settings drivers = config::driver_settings(config, paths_.installed_drivers());
    drivers.engine = name_;
    registry_ = std::make_unique<driver::Registry>(drivers);

    GANTRY_TRY(auto layers, registry_->get(driver::Kind::layer, config.defaults.layer));
    GANTRY_TRY(images_, image::ImageStore::open(paths_.root + "/images", *store_, layers));
    for (const auto& damage : images_->damage())
        log::error("an image is damaged and set aside", {{"id", damage.id}, {"reason", damage.reason}});
    GANTRY_TRY(registries_, image::registry::Service::open(*images_, paths_.root + "/images", [this] {
                   return registry_settings(config_.get()->registries);
               }));
    GANTRY_TRY(volumes_, volume::VolumeService::open(*store_, *registry_, config.defaults.volume));
    network::Settings networks;
    networks.engine = name_;
    networks.run = paths_.run;
    networks.default_driver = config.defaults.network;
    networks.host_driver = config.defaults.host_network;
    networks.none_driver = config.defaults.none_network;
    networks.address_pools = config.address_pools;
    // The 40 random bits of RFC 4193 3.2 are the first of the engine's id.
    GANTRY_TRY(const std::string own, engine_id(*store_));
    networks.unique_local = "fd" + own.substr(0, 2) + ":" + own.substr(2, 4) + ":" + own.substr(6, 4) + "::/48";
    GANTRY_TRY(networks_, network::NetworkService::open(networks, *store_, *registry_));
    registry_->set_event_handler(networks_->event_handler());
    events_ = std::make_unique<EventBus>(*store_, config.events_kept);

    container::ServiceSettings settings;
    settings.engine = name_;
    settings.root = paths_.root;
    settings.run = paths_.run;
    settings.adjustable = adjustable(config);
    settings.trace_start = trace == TraceStart::yes;
    containers_ = std::make_unique<container::ContainerService>(
        settings, container::Collaborators{*store_, *registry_, *images_, *volumes_, *networks_,
                                           [this](std::string_view type, std::string_view action, const std::string& id,
                                                  const Json& attributes) {
                                               events_->publish(type, action, id, attributes);
                                               if (action == "destroy" && images_->has_leftovers())
                                                   server_->post([this] { collect_garbage(); });
                                           },
                                           [this](std::function<void()> work) { server_->post(std::move(work)); }});
    GANTRY_CHECK(containers_->load());

    fill_deps(std::move(drivers));
    GANTRY_CHECK(open_plugins());
    build::Collaborators for_builds{*store_,
                                    *images_,
                                    layers,
                                    [this](container::Task task, const container::OnTaskStart& on_start) {
                                        return containers_->run_task(std::move(task), on_start);
                                    },
                                    deps_->spawn,
                                    [this] { return images_->collect_garbage(deps_->layers_in_use()); },
                                    registry_caches(*deps_, paths_.root + "/build/scratch")};
    GANTRY_TRY(builds_, build::BuildService::open(paths_.root + "/build", paths_.run + "/build", build_settings(config),
                                                  std::move(for_builds)));
    deps_->build_cache_usage = [this] { return builds_->usage(); };
    GANTRY_TRY(deps_->id, engine_id(*store_));
    buildkit_ = std::make_unique<BuildkitHelper>(
        paths_.program("gantry-buildkit"), deps_->spawn, [this](Json question, UniqueFd socket) {
            auto shared = std::make_shared<UniqueFd>(std::move(socket));
            server_->post([this, question = std::move(question), shared] {
                serve_buildkit(*deps_, *builds_, registry_pull(*deps_), question, std::move(*shared));
            });
        });
    register_system(router_, *deps_);
    register_images(router_, *deps_);
    register_image_save(router_, *deps_);
    register_image_prune(router_, *deps_);
    register_volume_prune(router_, *deps_);
    register_network_prune(router_, *deps_);
    register_registries(router_, *deps_);
    register_volumes(router_, *deps_);
    register_networks(router_, *deps_);
    register_drivers(router_, *deps_);
    register_engine(router_, *deps_);
    register_containers(router_, *containers_, *images_);
    register_container_streams(router_, *containers_);
    register_build(router_, *deps_, *builds_, registry_pull(*deps_));
    register_container_attach(router_, *containers_);
    register_container_logs(router_, *containers_);
    register_container_files(router_, *containers_);
    register_container_prune(router_, *deps_);
    register_disk_usage(router_, *deps_);
    register_exec(router_, *containers_);
    register_image_attestations(router_, *deps_);
    register_plugins(router_, *deps_);
    register_swarm(router_);
    register_buildkit(router_, *buildkit_);
    http::ServerSettings server;
    server.socket_path = paths_.socket;
    server.socket_group = config.socket_group;
    GANTRY_TRY(server_, http::Server::create(server, router_));
    deps_->server = server_.get();
    if (!config.listen.hosts.empty()) {
        GANTRY_TRY(gate_, TcpGate::open(config.listen, [this](UniqueFd socket, http::Peer peer) {
                       server_->adopt(std::move(socket), peer);
                   }));
    }
    return {};
}

void Engine::fill_deps(driver::Settings driver_settings) {
    deps_ = std::unique_ptr<Deps>(
        new Deps{config_, *store_, *registry_, std::move(driver_settings), *images_, *volumes_, *networks_, *events_});
    deps_->engine = name_;
    deps_->root = paths_.root;
    deps_->run = paths_.run;
    deps_->started_ns = wall_clock_ns();
    deps_->containers = containers_.get();
    deps_->registries = registries_.get();
    auto& containers = *containers_;
    deps_->container_counts = [&containers] {
        auto counts = containers.counts();
        return ContainerCounts{counts.total, counts.running, counts.paused, counts.stopped};
    };
    deps_->user_of_image = [&containers](const std::string& id) { return containers.user_of_image(id); };
    deps_->containers_of_images = [&containers] { return containers.by_image(); };
    deps_->fetch = [this](const std::string& url, const image::Progress& progress, const Deps::Watch& watch) {
        return fetch_file(*builds_, url, progress, watch);
    };
    deps_->networks_wanted = [&containers] { return containers.networks_wanted(); };
    deps_->layers_in_use = [&containers] { return containers.layers_in_use(); };
    deps_->connect_network = [&containers](const std::string& network, const Json& body) {
        return containers.connect_network(network, body);
    };
    deps_->disconnect_network = [&containers](const std::string& network, const Json& body) {
        return containers.disconnect_network(network, body);
    };
    deps_->runtime_drivers = [&containers]() -> Result<Json> {
        GANTRY_TRY(auto* launcher, containers.ready_launcher());
        return launcher->drivers();
    };
    deps_->spawn = [&containers](const std::vector<std::string>& argv, const std::vector<std::string>& environment,
                                 const int fds[3], int timeout_ms,
                                 const std::function<void(int)>& on_pid) -> Result<int> {
        GANTRY_TRY(auto* launcher, containers.ready_launcher());
        return launcher->spawn(argv, environment, fds, timeout_ms, on_pid);
    };
    registry_->set_spawner([this](const std::vector<std::string>& argv, const std::vector<std::string>& environment,
                                  const int fds[3],
                                  int timeout_ms) { return deps_->spawn(argv, environment, fds, timeout_ms, {}); });
    deps_->shut_down = [this](bool all) { shut_down(all); };
}

Result<void> Engine::open_plugins() {
    plugin::ServiceSettings settings{name_, paths_.root, paths_.run};
    plugin::Collaborators with{*store_, *registries_, [this] { return containers_->ready_launcher(); },
                               [this] { return adjustable(*config_.get()).defaults; },
                               [this](std::string_view action, const std::string& id, const Json& attributes) {
                                   events_->publish("plugin", action, id, attributes);
                               }};
    GANTRY_TRY(plugins_, plugin::PluginService::open(std::move(settings), std::move(with)));
    deps_->plugins = plugins_.get();
    return {};
}

// Files of images that are gone: of one whose last container has just gone too, or of an interrupted load or removal.
void Engine::collect_garbage() {
    if (auto freed = images_->collect_garbage(containers_->layers_in_use()); !freed)
        log::warn("the files of removed images could not be deleted", {{"reason", freed.error().text}});
}

// In short steps, so that a policy that is configured while the engine runs is not slept over.
void Engine::watch_images() {
    constexpr std::int64_t step_ms = 30'000;
    std::int64_t last = monotonic_ns();
    for (;;) {
        const std::int64_t interval_ms = config_.get()->image_gc.interval_ns / 1'000'000;
        if (containers_->wait_closing(static_cast<int>(std::min(interval_ms, step_ms)))) return;
        if ((monotonic_ns() - last) / 1'000'000 < interval_ms) continue;
        last = monotonic_ns();
        collect_unused_images(*deps_);
    }
}

void Engine::recover() {
    Json settings = launcher_settings(*config_.get(), *registry_, deps_->driver_settings);
    // Without a launcher no container can be started, but images, volumes and networks can be used: so it is tried again.
    for (int pause_ms = 100;; pause_ms = std::min(pause_ms * 2, 10'000)) {
        auto launcher =
            container::Launcher::connect(paths_.run, paths_.program("gantry-launcher"), settings,
                                         [this](const std::string& id, const container::MonitorEvent& event) {
                                             if (!plugins_->on_monitor_event(id, event))
                                                 containers_->on_monitor_event(id, event);
                                         });
        if (launcher) {
            {
                std::lock_guard lock(resolver_mutex_);
                resolver_ = std::make_unique<ResolverKeeper>(paths_.program("gantry-resolver"), paths_.run, **launcher);
            }
            containers_->recover(std::move(*launcher));
            plugins_->recover();
            builds_->recover();
            server_->post([this] { collect_garbage(); });
            return;
        }
        log::error("gantry-launcher does not start", {{"reason", launcher.error().text}});
        if (containers_->wait_closing(pause_ms)) return;
    }
}

void Engine::run() {
    recovery_ = std::thread([this] { recover(); });
    (void)containers_->run_beside([this] { watch_images(); });
    if (gate_) gate_->start();
    server_->run();
    gate_.reset();
    containers_->begin_closing();
    plugins_->begin_closing();
    recovery_.join();
    events_->flush();
}

void Engine::stop() {
    builds_->close();
    buildkit_->close();
    registries_->stop();
    server_->stop();
}

void Engine::reload(const ConfigSource& source) {
    server_->post([this, source] {
        std::lock_guard lock(reload_mutex_);
        auto reload = reload_config(source, *config_.get());
        if (!reload) return;
        put_in_force(reload->config);
        // The files may be others under the same names.
        if (gate_)
            if (auto renewed = gate_->renew(); !renewed)
                log::error("the TLS files are not reloaded; the old ones stay in force",
                           {{"reason", renewed.error().text}});
        log_reload(source, *reload);
    });
}

void Engine::put_in_force(const config::Config& config) {
    config_.set(config);
    log::set_level(config.log_level);
    containers_->adjust(adjustable(config));
    builds_->adjust(build_settings(config));
    events_->set_keep(config.events_kept);
    events_->publish("daemon", "reload", deps_->id, reload_attributes(config));
}

void Engine::shut_down(bool containers) {
    if (containers) {
        containers_->stop_all();
        plugins_->stop_all();
        networks_->shut_down();
        {
            std::lock_guard lock(resolver_mutex_);
            if (resolver_) resolver_->end();
        }
        if (auto launcher = containers_->ready_launcher()) (*launcher)->shut_down();
        for (const char* left : {"/containers", "/plugins", "/drivers", "/names", "/launcher.sock", "/resolver.lock"})
            if (auto removed = remove_tree(paths_.run + left); !removed)
                log::warn("something is left in the run directory", {{"reason", removed.error().text}});
    }
    stop();
}

}  // namespace gantry::daemon
