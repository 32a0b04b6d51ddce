// gantryd --detach: a process in the background, and a parent that returns when it serves or says why it does not.
#pragma once
#include <string>

#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

namespace gantry::daemon {

struct Detached {
    bool parent = false;  // this is the process that was called: it ends with exit_status
    int exit_status = 0;
    UniqueFd answer;  // of the process in the background

    void ready();                         // tells the parent that the engine serves
    void failed(const std::string& why);  // ... or not
};

// Forks; must be called before any thread is made. In the background, output goes to `log_file`. A socket that answers
// already: the parent says so and succeeds, as whoever calls wants an engine there.
Result<Detached> detach(const std::string& log_file, const std::string& socket);

}  // namespace gantry::daemon
