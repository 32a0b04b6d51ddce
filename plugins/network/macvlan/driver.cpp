// Containers with a MAC address of their own on the network of one of the host's interfaces.
#include <memory>

#include "plugins/network/common/child/driver.hpp"
#include "plugins/network/macvlan/options.hpp"

namespace gantry::macvlan {
namespace {

class MacvlanDriver final : public child::ChildDriver {
public:
    static Json describe() {
        return {
            {"summary", "containers on the network of an interface of the host, each with a MAC address of its own"},
            {"abilities", {"stats", "internal"}},
            {"options", Json::object()},
            {"object_options", object_options()}};
    }
    static Result<std::unique_ptr<MacvlanDriver>> create(Host host, const DriverConfig& config) {
        return std::make_unique<MacvlanDriver>(host, config);
    }
    MacvlanDriver(Host host, const DriverConfig& config) : ChildDriver(host, config, {"macvlan", read_options}) {}
};

}  // namespace
}  // namespace gantry::macvlan

GANTRY_NETWORK_DRIVER(gantry::macvlan::MacvlanDriver, "macvlan", "1.0.0")
