// What all builds of one engine work with. Everything is borrowed and outlives them.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/build/cache.hpp"
#include "core/build/cache_mounts.hpp"
#include "core/build/in_flight.hpp"
#include "core/container/task.hpp"
#include "core/driver/driver.hpp"
#include "core/image/bootstrap.hpp"
#include "core/image/image_store.hpp"

namespace gantry::build {

struct Facilities {
    std::shared_ptr<driver::Driver> layers;
    image::ImageStore& images;
    ResultCache& cache;
    CacheMounts& cache_mounts;
    InFlight& in_flight;
    std::string scratch;  // a directory for what lasts as long as a step: emptied at the engine's start
    std::string run;      // the same in the engine's run directory: sockets, secrets
    std::function<Result<container::TaskEnd>(container::Task, const container::OnTaskStart&)> run_task;
    image::Spawner spawn;  // helper programs (git)
};

// What one build asks of all its steps.
struct StepSettings {
    std::int64_t epoch = -1;         // SOURCE_DATE_EPOCH, -1: none
    std::vector<std::string> hosts;  // --add-host: "name:ip"
    std::int64_t shm_size = 0;       // 0: the engine's default
    Json ulimits = Json::array();    // of HostConfig
    std::string cgroup_parent;
    bool network_host = false, insecure = false;  // entitlements that the client asked for and the engine allows
};

}  // namespace gantry::build
