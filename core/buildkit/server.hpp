// Serves the connections of clients that the engine hands over, until the engine has gone or nothing is left to do.
#pragma once
#include <string>

#include "core/buildkit/engine_line.hpp"

namespace gantry::buildkit {

struct ServerSettings {
    std::string version, architecture;  // of the engine
    int idle_ms = 3'000;                // without a call, a build or a session
};

// Blocks. Threads may go on when it returns: the process is to end then.
Result<void> serve(EngineLine& line, const ServerSettings& settings);

}  // namespace gantry::buildkit
