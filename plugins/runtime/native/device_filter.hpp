// Which devices a container may open: the rules of config.json on top of "none but the standard ones", as v1 files or
// as a v2 BPF program.
#pragma once
#include <linux/bpf.h>

#include <string>
#include <vector>

#include <gantry/result.hpp>

#include "spec.hpp"

namespace gantry::native {

// The last rule that matches decides; `allow_all` where none does.
struct DevicePolicy {
    bool allow_all = false;
    std::vector<DeviceRule> rules;
};

// Begins with nothing allowed; a rule for all devices replaces what stands before it; the standard devices (null, zero,
// full, random, urandom, tty, ptmx, pts) and making nodes are allowed at the end.
DevicePolicy device_policy(const std::vector<DeviceRule>& rules);

Result<void> apply_device_policy_v1(const DevicePolicy& policy, const std::string& directory);
Result<void> apply_device_policy_v2(const DevicePolicy& policy, const std::string& directory);
// The v2 program, for tests too: BPF_PROG_TYPE_CGROUP_DEVICE.
std::vector<bpf_insn> device_program(const DevicePolicy& policy);

}  // namespace gantry::native
