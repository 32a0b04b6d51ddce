// The routes of containers and exec instances.
#pragma once
#include "core/container/service.hpp"
#include "core/daemon/http/http.hpp"

namespace gantry::daemon {

// `service` outlives the router.
void register_containers(http::Router& router, container::ContainerService& service, image::ImageStore& images);
void register_container_streams(http::Router& router, container::ContainerService& service);
void register_container_attach(http::Router& router, container::ContainerService& service);
void register_container_logs(http::Router& router, container::ContainerService& service);
void register_container_files(http::Router& router, container::ContainerService& service);
void register_exec(http::Router& router, container::ContainerService& service);

}  // namespace gantry::daemon
