#include "capabilities.hpp"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <string_view>

#include <gantry/capabilities.hpp>

#include "spec.hpp"

namespace gantry::native {
namespace {

constexpr int name_count = static_cast<int>(std::size(linux_capabilities));
constexpr int last_possible = 63;

Result<void> set_capabilities(std::uint64_t effective, std::uint64_t permitted, std::uint64_t inheritable) {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2];
    for (unsigned half = 0; half < 2; ++half)
        data[half] = {static_cast<__u32>(effective >> (32 * half)), static_cast<__u32>(permitted >> (32 * half)),
                      static_cast<__u32>(inheritable >> (32 * half))};
    if (::syscall(SYS_capset, &header, data) != 0) return fail_errno("set capabilities");
    return {};
}

std::uint64_t permitted_now() {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2] = {};
    if (::syscall(SYS_capget, &header, data) != 0) return 0;
    return data[0].permitted | (static_cast<std::uint64_t>(data[1].permitted) << 32);
}

// What installing a filter without no_new_privs takes, and what ends the holding.
constexpr std::uint64_t held = (1ull << CAP_SYS_ADMIN) | (1ull << CAP_SETPCAP);

}  // namespace

Result<std::uint64_t> capability_mask(const std::vector<std::string>& wanted) {
    std::uint64_t mask = 0;
    for (const std::string& name : wanted) {
        int number = 0;
        while (number < name_count && linux_capabilities[number] != name) ++number;
        if (number == name_count) return fail(Code::invalid, "capability \"" + name.substr(0, 80) + "\" is not known");
        mask |= 1ull << number;
    }
    return mask;
}

std::string capability_names(std::uint64_t mask) {
    std::string text;
    for (int number = 0; number < name_count; ++number)
        if (mask >> number & 1) text.append(text.empty() ? "" : ", ").append(linux_capabilities[number]);
    return text;
}

std::uint64_t available_capabilities() {
    std::uint64_t mask = permitted_now();
    for (int number = 0; number <= last_possible; ++number) {
        const int in = ::prctl(PR_CAPBSET_READ, number, 0, 0, 0);
        if (in < 0) {
            mask &= (1ull << number) - 1;
            break;
        }
        if (in == 0) mask &= ~(1ull << number);
    }
    return mask;
}

std::uint64_t limit_capabilities(CapabilitySets& sets, std::uint64_t available) {
    const std::uint64_t asked = sets.bounding | sets.effective | sets.permitted | sets.inheritable | sets.ambient;
    for (std::uint64_t* set : {&sets.bounding, &sets.effective, &sets.permitted, &sets.inheritable, &sets.ambient})
        *set &= available;
    sets.effective &= sets.permitted;
    sets.ambient &= sets.permitted & sets.inheritable;
    return asked & ~available;
}

Result<void> prepare_capabilities(const CapabilitySets& sets) {
    for (int number = 0; number <= last_possible; ++number) {
        if (sets.bounding >> number & 1) continue;
        if (::prctl(PR_CAPBSET_DROP, number, 0, 0, 0) == 0) continue;
        if (errno == EINVAL) break;  // beyond the kernel's last capability
        return fail_errno("drop a capability from the bounding set");
    }
    if (::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) return fail_errno("keep capabilities");
    return {};
}

Result<void> hold_capabilities(const CapabilitySets& sets) {
    const std::uint64_t now = permitted_now();
    const std::uint64_t keep = (sets.permitted | held | sets.inheritable) & now;
    GANTRY_CHECK(set_capabilities(keep, keep, sets.inheritable & now));
    if (::prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) != 0) return fail_errno("end keeping capabilities");
    if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0)
        return fail_errno("clear ambient capabilities");
    for (int number = 0; number < name_count; ++number)
        if (sets.ambient >> number & 1)
            if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number, 0, 0) != 0)
                return fail_errno("raise ambient capability \"" + std::string(linux_capabilities[number]) + "\"");
    return {};
}

Result<void> apply_capabilities(const CapabilitySets& sets) {
    return set_capabilities(sets.effective, sets.permitted, sets.inheritable);
}

}  // namespace gantry::native
