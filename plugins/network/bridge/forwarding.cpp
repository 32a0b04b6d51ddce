#include "plugins/network/bridge/forwarding.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <gantry/unique_fd.hpp>

#include "plugins/network/bridge/sysctl.hpp"

namespace gantry::bridge {
namespace {
constexpr const char* setting = "ipv4/ip_forward";
}

Result<void> Forwarding::enable() {
    GANTRY_TRY(std::string now, read_sysctl(setting));
    if (now != "0") return {};
    UniqueFd note(::open(note_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    if (!note) return fail_errno("make \"" + note_ + "\"");
    return write_sysctl(setting, "1");
}

Result<void> Forwarding::restore() {
    if (::access(note_.c_str(), F_OK) != 0) return {};
    GANTRY_CHECK(write_sysctl(setting, "0"));
    if (::unlink(note_.c_str()) != 0 && errno != ENOENT) return fail_errno("remove \"" + note_ + "\"");
    return {};
}

}  // namespace gantry::bridge
