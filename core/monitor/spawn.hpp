// Runs one helper program for the engine, which never forks itself.
#pragma once
#include <string>
#include <vector>

#include "core/base/unix_socket.hpp"

namespace gantry::monitor {

struct SpawnSpec {
    std::vector<std::string> argv, environment;
    UniqueFd fds[3];  // stdin, stdout, stderr; none: /dev/null
    int timeout_ms = 0;
};
Result<SpawnSpec> read_spawn(Message& message);

// In a process of its own: starts the program, says {"pid"}, and {"exit"} or {"error"} at its end. Kills its process
// group when the time is over or the other end of `connection` has gone.
void run_supervisor(SpawnSpec spec, UniqueFd connection);

}  // namespace gantry::monitor
