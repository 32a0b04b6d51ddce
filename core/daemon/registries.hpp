// The configuration of registries in the words of their client.
#pragma once
#include "core/config/registries.hpp"
#include "core/image/registry/settings.hpp"

namespace gantry::daemon {

// With what the environment says of proxies, where the configuration says nothing.
image::registry::Settings registry_settings(const config::Registries& config);

}  // namespace gantry::daemon
