// A network whose containers have links of their own on an interface of the host. What the kinds (macvlan, ipvlan)
// share; the kind says which options there are.
#pragma once
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <gantry/network.hpp>

#include "plugins/network/common/child/endpoint.hpp"
#include "plugins/network/common/child/host_access.hpp"
#include "plugins/network/common/child/names.hpp"
#include "plugins/network/common/child/options.hpp"
#include "plugins/network/common/child/parent.hpp"

namespace gantry::child {

class ChildDriver : public NetworkDriver {
public:
    static constexpr bool offers_stats = true;

    ChildDriver(Host host, const DriverConfig& config, Kind of)
        : host_(host), kind_(of), names_{config.engine, of.name} {}

    Result<Ready> ensure(Call&, const Network& network) override;
    Result<void> remove(Call&, const Network& network) override;
    Result<State> inspect(Call&, const Network& network) override;
    Result<Attached> attach(Call&, const Attach& to) override;
    Result<void> detach(Call&, const Detach& from) override;
    Result<State> inspect_endpoint(Call&, const Network& network, const Endpoint& endpoint) override;
    Result<Json> stats(Call&, const Network& network, const Endpoint& endpoint) override;
    // {"boot_id", "objects": {"networks": [NETWORK], "endpoints": [{"network": id, "endpoint": ENDPOINT, "ports": [..]}]}}.
    Result<Answer> reconcile(Call& call, const Json& request);

private:
    struct Plan {
        Options options;
        ParentSpec parent;
        std::optional<HostLinkSpec> host_link;
    };
    // All that follows from the network's description.
    Result<Plan> plan_of(const Network& network) const;
    // Takes the parent for the network; another network that leaves no room for it: GANTRY_CONFLICT.
    Result<void> reserve(const Network& network, const Plan& plan);
    bool knows(const Network& network);
    Result<std::optional<Found>> find_endpoint(netlink::Socket& host, const Network& network, const Endpoint& endpoint);
    Result<void> remove_orphans(const std::map<std::string, Plan>& wanted, const std::vector<std::string>& endpoints,
                                Json& removed);

    Host host_;
    const Kind kind_;
    const Names names_;
    struct Use {
        std::string name, parent, mode_text;
        bool alone = false, one_mode = false;
    };
    std::mutex mutex_;
    std::map<std::string, Use> uses_;       // by the network's id: those that are ensured and not removed
    std::map<std::string, int> last_seen_;  // the namespace of an endpoint, by its mark: where to look first
};

}  // namespace gantry::child
