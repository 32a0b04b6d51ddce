#include "core/daemon/lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "core/base/files.hpp"
#include "core/base/text.hpp"

namespace gantry::daemon {

Result<UniqueFd> lock_root(const std::string& root) {
    GANTRY_TRY(UniqueFd fd, open_file(root + "/lock", O_RDWR | O_CREAT));
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
        auto owner = read_all(fd.get(), 64);
        std::string pid = owner ? std::string(trim(*owner)) : "";
        return fail(Code::conflict, "another gantryd" + (pid.empty() ? "" : " (process " + pid + ")") +
                                        " runs with --root \"" + root + "\"");
    }
    std::string pid = std::to_string(::getpid()) + "\n";
    if (::ftruncate(fd.get(), 0) != 0 || ::pwrite(fd.get(), pid.data(), pid.size(), 0) < 0)
        return fail_errno("write \"" + root + "/lock\"");
    return fd;
}

}  // namespace gantry::daemon
