#include "plugins/network/overlay/encryption.hpp"

#include <unistd.h>

#include "plugins/network/common/bridge/link.hpp"

namespace gantry::overlay {

Result<void> require_encryption(const std::string& network) {
    const std::string what = "network \"" + network + "\": option \"encrypted\"";
    const std::string name = "gw-try" + std::to_string(::getpid() % 1000000);
    GANTRY_TRY(auto host, netlink::Socket::open());
    netlink::Batch make;
    make.add_link(name, "wireguard");
    auto made = host.send(std::move(make));
    if (!made && made.error().code == Code::unsupported)
        return fail(Code::unsupported, what + " needs WireGuard, which this kernel has not");
    if (!made) return std::move(made).error().context(what + ": WireGuard");
    GANTRY_CHECK(bridge::detach_veth(host, name));
    return fail(Code::unsupported, what + ": WireGuard between hosts is not supported by this version");
}

}  // namespace gantry::overlay
