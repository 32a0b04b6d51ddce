// The network "host": containers share the host's own interfaces. There is nothing to make and nothing to remove.
#include <gantry/network.hpp>

namespace gantry::host_network {
namespace {

class HostDriver final : public NetworkDriver {
public:
    static Json describe() {
        return {{"summary", "the host's own network, shared"},
                {"abilities", {"mode.host", "no_addresses"}},
                {"options", Json::object()},
                {"object_options", Json::object()}};
    }
    static Result<std::unique_ptr<HostDriver>> create(Host, const DriverConfig&) {
        return std::make_unique<HostDriver>();
    }

    Result<Ready> ensure(Call&, const Network&) override { return Ready{"", {}, 0}; }
    Result<void> remove(Call&, const Network&) override { return {}; }
    Result<State> inspect(Call&, const Network&) override { return State{"ready", "", Json::object()}; }
    Result<Attached> attach(Call&, const Attach&) override {
        Attached attached;
        attached.mode = "host";
        return attached;
    }
    Result<void> detach(Call&, const Detach&) override { return {}; }
    Result<State> inspect_endpoint(Call&, const Network&, const Endpoint&) override {
        return State{"ready", "", Json::object()};
    }
};

}  // namespace
}  // namespace gantry::host_network

GANTRY_NETWORK_DRIVER(gantry::host_network::HostDriver, "host", "1.0.0")
