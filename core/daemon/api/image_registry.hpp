// What the API does with registries: pull, push, login, search, inspection. image_registry.cpp has the routes.
#pragma once
#include "core/daemon/api/answer.hpp"
#include "core/daemon/deps.hpp"

namespace gantry::daemon {

// POST /images/create with fromImage.
void pull_image(Deps& deps, const http::Request& request, const Reply& reply);

void register_registries(http::Router& router, Deps& deps);

}  // namespace gantry::daemon
