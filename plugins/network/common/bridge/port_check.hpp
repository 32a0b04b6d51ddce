// Whether a port of the host is free to be published.
#pragma once
#include <gantry/network.hpp>

namespace gantry::bridge {

// GANTRY_CONFLICT where a program of the host listens there (or the address is not the host's): in Docker's words.
Result<void> check_port_free(const PublishedPort& port);
// "Bind for 0.0.0.0:4000 failed: port is already allocated".
Error port_taken(const PublishedPort& port);

}  // namespace gantry::bridge
