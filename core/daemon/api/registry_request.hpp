// What requests that lead to a registry have in common.
#pragma once
#include "core/daemon/api/answer.hpp"
#include "core/image/registry/service.hpp"

namespace gantry::daemon {

// The header X-Registry-Auth.
Result<image::registry::Credentials> credentials_of(const http::Request& request);
// True once the client has closed its connection.
image::registry::Cancelled watch(const Reply& reply);
// A registry that does not answer is for Docker a failure of this engine (500), and not one that is too busy to serve (503).
Error of_registry(Error error);

}  // namespace gantry::daemon
