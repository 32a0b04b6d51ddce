#include "core/resolver/privileges.hpp"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace gantry::resolver {

Result<void> drop_privileges() {
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return fail_errno("set no_new_privs");
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct now[2]{}, kept[2]{};
    if (::syscall(SYS_capget, &header, now) != 0) return fail_errno("read capabilities");
    const std::uint32_t bit = 1u << CAP_NET_BIND_SERVICE;
    kept[0].effective = kept[0].permitted = now[0].permitted & bit;
    if (::syscall(SYS_capset, &header, kept) != 0) return fail_errno("give up capabilities");
    return {};
}

}  // namespace gantry::resolver
