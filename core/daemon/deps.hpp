// What the routes of the API work with. Filled once by the engine, before the server runs; everything outlives it.
#pragma once
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "core/config/live.hpp"
#include "core/container/monitor_client.hpp"
#include "core/daemon/events.hpp"
#include "core/daemon/http/http.hpp"
#include "core/driver/registry.hpp"
#include "core/image/bootstrap.hpp"
#include "core/image/image_store.hpp"
#include "core/network/network_service.hpp"
#include "core/store/store.hpp"
#include "core/volume/volume_service.hpp"

namespace gantry::container {
class ContainerService;
}
namespace gantry::image::registry {
class Service;
}
namespace gantry::plugin {
class PluginService;
}

namespace gantry::daemon {

struct ContainerCounts {
    int total = 0, running = 0, paused = 0, stopped = 0;
};

struct Deps {
    const config::Live& config;
    store::Store& store;
    driver::Registry& drivers;
    driver::Settings driver_settings;  // for `driver check`
    image::ImageStore& images;
    volume::VolumeService& volumes;
    network::NetworkService& networks;
    EventBus& events;

    std::string engine = {};  // name of the engine: prefix of kernel objects
    std::string id = {};      // of this engine, for ever (GET /info: ID)
    std::string root = {}, run = {};
    std::int64_t started_ns = 0;
    container::ContainerService* containers = nullptr;
    image::registry::Service* registries = nullptr;
    plugin::PluginService* plugins = nullptr;
    http::Server* server = nullptr;

    // What the container side does for other routes. All must be set.
    std::function<ContainerCounts()> container_counts = {};
    // A container that uses the image ("container ID", "running container ID"), "" for none.
    std::function<std::string(const std::string& image_id)> user_of_image = {};
    std::function<std::vector<std::string>()> layers_in_use = {};
    // By id of an image: the ids of the containers that were made of it.
    std::function<std::map<std::string, std::vector<std::string>>()> containers_of_images = {};
    // Names and ids of networks that a container will be attached to at its next start.
    std::function<std::set<std::string>()> networks_wanted = {};
    // What the build cache holds, as BuildCache objects of GET /system/df; {} where nothing is built.
    std::function<Json()> build_cache_usage = {};
    // Bodies of the API: {"Container", "EndpointConfig"} and {"Container", "Force"}.
    std::function<Result<void>(const std::string& network, const Json& body)> connect_network = {};
    std::function<Result<void>(const std::string& network, const Json& body)> disconnect_network = {};
    // Names, files and problems of the runtime drivers (Launcher::drivers), waiting for the launcher if need be.
    std::function<Result<Json>()> runtime_drivers = {};
    // A file of an address, http or https, as a build may fetch it (build/sources.hpp). `watch` is given what is to be called when
    // nobody wants it any more, and then {}.
    using Watch = std::function<void(std::function<void()> gone)>;
    std::function<Result<UniqueFd>(const std::string& url, const image::Progress& progress, const Watch& watch)> fetch =
        {};
    // Runs a helper program outside this process (Launcher::spawn).
    image::Spawner spawn = {};
    // Ends the engine; with containers: wholly, everything of it in the kernel gone. Called on a worker, after the client
    // has its answer where it does not wait; blocks until all is gone but the server itself.
    std::function<void(bool containers)> shut_down = {};
};

}  // namespace gantry::daemon
