// The network "none": a namespace with the loopback interface and nothing else. Nothing to make, nothing to remove.
#include <gantry/network.hpp>

namespace gantry::none_network {
namespace {

class NoneDriver final : public NetworkDriver {
public:
    static Json describe() {
        return {{"summary", "no network but loopback"},
                {"abilities", {"mode.none", "no_addresses"}},
                {"options", Json::object()},
                {"object_options", Json::object()}};
    }
    static Result<std::unique_ptr<NoneDriver>> create(Host, const DriverConfig&) {
        return std::make_unique<NoneDriver>();
    }

    Result<Ready> ensure(Call&, const Network&) override { return Ready{"", {}, 0}; }
    Result<void> remove(Call&, const Network&) override { return {}; }
    Result<State> inspect(Call&, const Network&) override { return State{"ready", "", Json::object()}; }
    Result<Attached> attach(Call&, const Attach&) override {
        Attached attached;
        attached.mode = "none";
        return attached;
    }
    Result<void> detach(Call&, const Detach&) override { return {}; }
    Result<State> inspect_endpoint(Call&, const Network&, const Endpoint&) override {
        return State{"ready", "", Json::object()};
    }
};

}  // namespace
}  // namespace gantry::none_network

GANTRY_NETWORK_DRIVER(gantry::none_network::NoneDriver, "none", "1.0.0")
