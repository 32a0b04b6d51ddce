// Containers on the network of one of the host's interfaces, all with its MAC address.
#include <memory>

#include "plugins/network/common/child/driver.hpp"
#include "plugins/network/ipvlan/options.hpp"

namespace gantry::ipvlan {
namespace {

class IpvlanDriver final : public child::ChildDriver {
public:
    static Json describe() {
        return {{"summary", "containers on the network of an interface of the host, which all have its MAC address"},
                {"abilities", {"stats", "internal"}},
                {"options", Json::object()},
                {"object_options", object_options()}};
    }
    static Result<std::unique_ptr<IpvlanDriver>> create(Host host, const DriverConfig& config) {
        return std::make_unique<IpvlanDriver>(host, config);
    }
    IpvlanDriver(Host host, const DriverConfig& config) : ChildDriver(host, config, {"ipvlan", read_options}) {}
};

}  // namespace
}  // namespace gantry::ipvlan

GANTRY_NETWORK_DRIVER(gantry::ipvlan::IpvlanDriver, "ipvlan", "1.0.0")
