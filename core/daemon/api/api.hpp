// The routes of the Engine API, one function a resource; containers.hpp has those of containers. `deps` outlives the
// router.
#pragma once
#include "core/daemon/deps.hpp"
#include "core/daemon/http/http.hpp"

namespace gantry::daemon {

void register_system(http::Router& router, Deps& deps);  // _ping, version, info, events
void register_images(http::Router& router, Deps& deps);
void register_image_save(http::Router& router, Deps& deps);   // /images/get, /images/{name}/get
void register_image_prune(http::Router& router, Deps& deps);  // /images/prune
void register_volume_prune(http::Router& router, Deps& deps);
void register_network_prune(http::Router& router, Deps& deps);
void register_container_prune(http::Router& router, Deps& deps);
void register_disk_usage(http::Router& router, Deps& deps);  // /system/df
void register_volumes(http::Router& router, Deps& deps);
void register_networks(http::Router& router, Deps& deps);
void register_drivers(http::Router& router, Deps& deps);  // /gantry/drivers
void register_engine(http::Router& router, Deps& deps);   // /gantry/shutdown
void register_image_attestations(http::Router& router, Deps& deps);
void register_plugins(http::Router& router, Deps& deps);
void register_swarm(http::Router& router);  // 503, as an engine outside of a swarm

}  // namespace gantry::daemon
