// OCI linux.seccomp to a filter for the kernel. The rules of a system call are tried in the profile's order, those with
// argument conditions before the one without; the first that matches decides, the default action where none does.
// Source: seccomp(2), seccomp_data in linux/seccomp.h.
#pragma once
#include <linux/filter.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <gantry/json.hpp>
#include <gantry/result.hpp>

namespace gantry::native {

enum class Compare { not_equal, less, less_or_equal, equal, greater_or_equal, greater, masked_equal };

struct SeccompCondition {
    unsigned argument = 0;
    Compare compare = Compare::equal;
    std::uint64_t value = 0, second = 0;  // masked_equal: (argument & value) == second
};

// All conditions hold, or there are none.
struct SeccompRule {
    std::vector<SeccompCondition> conditions;
    std::uint32_t action = 0;  // SECCOMP_RET_*
};

struct SeccompPolicy {
    std::uint32_t default_action = 0;
    unsigned flags = 0;  // SECCOMP_FILTER_FLAG_*
    // By libseccomp's architecture token, then by number.
    std::map<std::uint32_t, std::map<std::uint32_t, std::vector<SeccompRule>>> architectures;
};

struct SeccompFilter {
    std::vector<sock_filter> code;
    unsigned flags = 0;
};

// Names that no kernel of an architecture knows are passed over, as everywhere; all else that is unknown is refused.
// One argument named twice in a rule means either condition (runc's reading, on which profiles rely).
Result<SeccompPolicy> parse_seccomp(const Json& profile);
// Ranges of numbers with one outcome, found by binary search. A call of an architecture outside the profile kills.
Result<SeccompFilter> compile_seccomp(const SeccompPolicy& policy);
// The action for numbers of one architecture: what compile_seccomp emits for each.
std::vector<sock_filter> compile_rules(const std::vector<SeccompRule>& rules, std::uint32_t default_action);
// From now on this process is under the filter.
Result<void> install_seccomp(const SeccompFilter& filter);

}  // namespace gantry::native
