// The last steps of a process before the container's program runs in it, for the first process and for exec alike.
#pragma once
#include <array>
#include <string>

#include <gantry/result.hpp>

#include "spec.hpp"

namespace gantry::native {

class Channel;
struct SeccompFilter;

struct ProcessPlan {
    ProcessSpec spec;
    const SeccompFilter* filter = nullptr;  // null: none
    std::array<int, 3> stdio{-1, -1, -1};
    bool terminal = false, init = false, user_namespace = false;
    std::string keyring;
};

// What the machine allows: hard limits that cannot be raised and capabilities that are not there are cut, the score for
// the OOM killer is kept where it cannot be lowered. Each cut is a line in `warnings`. In the monitor.
void clamp_process(ProcessSpec& spec, std::vector<std::string>& warnings);

// Signals, dumpability, death with the monitor: the first thing a new process does.
Result<void> begin_process();
// While the host's /proc is still there.
Result<void> set_oom_score(const ProcessSpec& spec);
// Standard streams in their places; every other descriptor but that of `channel` is closed.
Result<void> set_up_stdio(const ProcessPlan& plan, const Channel& channel);
// Becomes the program; comes back only with the reason why not, worded as Docker words it. The caller stands in the
// container's root. `channel`: says when the monitor is gone; closed by the exec.
Error run_program(const ProcessPlan& plan, const Channel& channel);
// The program that `arguments[0]` names, by PATH of `environment` where it has no slash.
Result<std::string> find_program(const std::string& name, const std::vector<std::string>& environment);
// Enters the working directory, which must lie inside the root.
Result<void> enter_directory(const std::string& path);

}  // namespace gantry::native
