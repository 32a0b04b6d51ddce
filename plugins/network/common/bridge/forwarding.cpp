#include "plugins/network/common/bridge/forwarding.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <vector>

#include <gantry/unique_fd.hpp>

#include "plugins/network/common/sysctl.hpp"

namespace gantry::bridge {
namespace {

constexpr const char* setting = "ipv4/ip_forward";
constexpr const char* setting6 = "ipv6/conf/all/forwarding";

std::string accept_ra(const std::string& interface) { return "ipv6/conf/" + interface + "/accept_ra"; }

Result<void> write_note(const std::string& path, const std::vector<std::string>& lines) {
    UniqueFd note(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!note) return fail_errno("make \"" + path + "\"");
    std::string text;
    for (const std::string& line : lines) text += line + "\n";
    if (::write(note.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
        return fail_errno("write \"" + path + "\"");
    return {};
}

Result<void> remove_note(const std::string& path) {
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) return fail_errno("remove \"" + path + "\"");
    return {};
}

// Interfaces that listen to routers as long as the host does not forward.
std::vector<std::string> listening_interfaces() {
    std::vector<std::string> found;
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/sys/net/ipv6/conf", ignored)) {
        const std::string name = entry.path().filename();
        if (name == "all" || name == "default" || name == "lo") continue;
        auto value = netlink::read_sysctl(accept_ra(name));
        if (value && *value == "1") found.push_back(name);
    }
    return found;
}

}  // namespace

Result<void> Forwarding::enable() {
    GANTRY_TRY(std::string now, netlink::read_sysctl(setting));
    if (now != "0") return {};
    GANTRY_CHECK(write_note(note(), {}));
    return netlink::write_sysctl(setting, "1");
}

Result<void> Forwarding::enable6() {
    GANTRY_TRY(std::string now, netlink::read_sysctl(setting6));
    if (now != "0") return {};
    const auto listening = listening_interfaces();
    GANTRY_CHECK(write_note(note6(), listening));
    for (const std::string& interface : listening)
        GANTRY_CHECK(netlink::write_sysctl(accept_ra(interface), "2", netlink::Missing::is_fine));
    return netlink::write_sysctl(setting6, "1");
}

Result<void> Forwarding::restore() {
    if (::access(note().c_str(), F_OK) == 0) {
        GANTRY_CHECK(netlink::write_sysctl(setting, "0"));
        GANTRY_CHECK(remove_note(note()));
    }
    if (::access(note6().c_str(), F_OK) == 0) {
        GANTRY_CHECK(netlink::write_sysctl(setting6, "0"));
        std::ifstream lines(note6());
        for (std::string interface; std::getline(lines, interface);) {
            auto value = netlink::read_sysctl(accept_ra(interface));
            if (value && *value == "2")
                GANTRY_CHECK(netlink::write_sysctl(accept_ra(interface), "1", netlink::Missing::is_fine));
        }
        GANTRY_CHECK(remove_note(note6()));
    }
    return {};
}

}  // namespace gantry::bridge
