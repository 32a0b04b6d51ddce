#include "plugins/network/common/sysctl.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <gantry/unique_fd.hpp>

namespace gantry::netlink {

Result<void> write_sysctl(const std::string& name, const std::string& value, Missing missing) {
    const std::string path = "/proc/sys/net/" + name;
    UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!fd) {
        if (errno == ENOENT && missing == Missing::is_fine) return {};
        return fail_errno("open \"" + path + "\"");
    }
    if (::write(fd.get(), value.data(), value.size()) != static_cast<ssize_t>(value.size()))
        return fail_errno("write \"" + value + "\" to \"" + path + "\"");
    return {};
}

Result<std::string> read_sysctl(const std::string& name) {
    const std::string path = "/proc/sys/net/" + name;
    UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return fail_errno("open \"" + path + "\"");
    char text[64];
    ssize_t length = ::read(fd.get(), text, sizeof text);
    if (length < 0) return fail_errno("read \"" + path + "\"");
    std::string value(text, static_cast<std::size_t>(length));
    while (!value.empty() && value.back() == '\n') value.pop_back();
    return value;
}

}  // namespace gantry::netlink
