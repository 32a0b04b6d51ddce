// What of a process's wishes the machine allows.
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdlib>

#include "capabilities.hpp"
#include "kernel.hpp"
#include "process.hpp"

namespace gantry::native {
namespace {

std::string limit_name(std::uint64_t value) { return value == RLIM_INFINITY ? "unlimited" : std::to_string(value); }

void clamp_rlimit(Rlimit& limit, bool may_raise, std::vector<std::string>& warnings) {
    rlimit now{};
    if (::getrlimit(static_cast<__rlimit_resource_t>(limit.resource), &now) != 0) return;
    std::uint64_t most = may_raise ? RLIM_INFINITY : now.rlim_max;
    if (limit.resource == RLIMIT_NOFILE && may_raise)
        if (const auto text = read_at(AT_FDCWD, "/proc/sys/fs/nr_open"))
            most = std::strtoull(text->c_str(), nullptr, 10);
    if (limit.hard <= most) return;
    warnings.push_back("rlimit \"" + limit.name + "\" of " + limit_name(limit.hard) +
                       " is more than this machine allows; it is set to " + limit_name(most));
    limit.hard = most;
    limit.soft = std::min(limit.soft, most);
}

}  // namespace

void clamp_process(ProcessSpec& spec, std::vector<std::string>& warnings) {
    const std::uint64_t available = available_capabilities();
    if (const std::uint64_t missing = limit_capabilities(spec.capabilities, available))
        warnings.push_back("this machine does not give " + capability_names(missing) + "; the process runs without");
    const bool may_raise = available >> CAP_SYS_RESOURCE & 1;
    for (Rlimit& limit : spec.rlimits) clamp_rlimit(limit, may_raise, warnings);
    if (spec.oom_score_adj == unset || may_raise) return;
    const auto text = read_at(AT_FDCWD, "/proc/self/oom_score_adj");
    const long now = text ? std::strtol(text->c_str(), nullptr, 10) : 0;
    if (spec.oom_score_adj >= now) return;
    warnings.push_back("oom_score_adj " + std::to_string(spec.oom_score_adj) +
                       " is less than this machine allows; it stays " + std::to_string(now));
    spec.oom_score_adj = unset;
}

}  // namespace gantry::native
