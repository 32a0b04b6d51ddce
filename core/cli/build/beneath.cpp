#include "core/cli/build/beneath.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace gantry::cli {

Result<UniqueFd> open_beneath(int directory, const std::string& path, int flags, Links links, mode_t mode) {
    open_how how{};
    how.flags = static_cast<unsigned>(flags | O_CLOEXEC);
    if (!(flags & O_PATH)) how.flags |= O_NONBLOCK;
    how.mode = (flags & O_CREAT) ? mode : 0;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | (links == Links::none ? RESOLVE_NO_SYMLINKS : 0u);
    const std::string name = path.empty() ? "." : path;
    long fd = -1;
    // EAGAIN: something was renamed meanwhile, so that the kernel cannot tell whether ".." stayed below.
    for (int tries = 0; tries < 100; ++tries) {
        fd = ::syscall(SYS_openat2, directory, name.c_str(), &how, sizeof how);
        if (fd >= 0 || (errno != EAGAIN && errno != EINTR)) break;
    }
    if (fd >= 0) return UniqueFd(static_cast<int>(fd));
    if (errno == EXDEV) return fail(Code::denied, "\"" + name + "\" leads out of its directory");
    return fail_errno("open \"" + name + "\"");
}

}  // namespace gantry::cli
