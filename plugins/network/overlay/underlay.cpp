#include "plugins/network/overlay/underlay.hpp"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstring>
#include <memory>

#include <gantry/unique_fd.hpp>

namespace gantry::overlay {
namespace {

constexpr std::uint16_t any_port = 9;  // nothing is sent there

// The interface with the address, "" where none has it.
Result<std::string> interface_with(const std::string& address) {
    in_addr wanted{};
    if (::inet_pton(AF_INET, address.c_str(), &wanted) != 1)
        return fail(Code::invalid, "\"" + address + "\" is not an IPv4 address");
    ifaddrs* list = nullptr;
    if (::getifaddrs(&list) != 0) return fail_errno("list the host's addresses");
    std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> owner(list, ::freeifaddrs);
    for (const ifaddrs* item = list; item; item = item->ifa_next)
        if (item->ifa_addr && item->ifa_addr->sa_family == AF_INET &&
            reinterpret_cast<const sockaddr_in*>(item->ifa_addr)->sin_addr.s_addr == wanted.s_addr)
            return std::string(item->ifa_name);
    return std::string();
}

}  // namespace

bool has_address(const std::string& address) {
    auto name = interface_with(address);
    return name && !name->empty();
}

Result<std::string> address_towards(const std::string& other) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(any_port);
    if (::inet_pton(AF_INET, other.c_str(), &to.sin_addr) != 1)
        return fail(Code::invalid, "\"" + other + "\" is not an IPv4 address");
    UniqueFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!fd) return fail_errno("open a socket");
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0)
        return fail_errno("find the way to " + other);
    sockaddr_in self{};
    socklen_t size = sizeof self;
    if (::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&self), &size) != 0)
        return fail_errno("find the way to " + other);
    char text[INET_ADDRSTRLEN] = "";
    ::inet_ntop(AF_INET, &self.sin_addr, text, sizeof text);
    return std::string(text);
}

Result<int> mtu_of_address(const std::string& address) {
    GANTRY_TRY(const std::string name, interface_with(address));
    if (name.empty()) return fail(Code::not_found, "no interface of this machine has the address " + address);
    UniqueFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!fd) return fail_errno("open a socket");
    ifreq request{};
    std::strncpy(request.ifr_name, name.c_str(), IFNAMSIZ - 1);
    if (::ioctl(fd.get(), SIOCGIFMTU, &request) != 0) return fail_errno("ask for the MTU of \"" + name + "\"");
    return request.ifr_mtu;
}

}  // namespace gantry::overlay
