// A container whose stdio is ours until its end: run, start -a, attach.
#pragma once
#include <string>

#include <gantry/result.hpp>

#include "core/cli/client.hpp"

namespace gantry::cli {

struct AttachWish {
    std::string id;
    bool tty = false, input = false, output = false, error = false;
    bool proxy_signals = false;
    std::string detach_keys;
    std::string condition;  // of wait: next-exit, removed, not-running
    bool start = false;     // POST start once attach and wait are in place
};

// Gives the container's exit code; 0 after detaching.
Result<int> run_attached(Client& client, const AttachWish& wish);
// Reads the answer of `wait`: the exit code.
Result<int> exit_code_of(Connection& wait);
// Docker's refusal of -it without a terminal.
Result<void> check_tty(bool input, bool tty);

}  // namespace gantry::cli
