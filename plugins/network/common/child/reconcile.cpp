// After a restart: what the networks and endpoints that there shall be need, and what nobody needs any more.
#include <algorithm>

#include "plugins/network/common/child/driver.hpp"

namespace gantry::child {

Result<Answer> ChildDriver::reconcile(Call& call, const Json& request) {
    const Json objects = member<Json>(request, "objects", Json::object());
    Json ready = Json::array(), missing = Json::array(), orphans = Json::array(), failed = Json::array();
    std::map<std::string, Plan> plans;
    std::map<std::string, Network> networks;
    for (Network& network : member<std::vector<Network>>(objects, "networks")) {
        auto plan = plan_of(network);
        auto done = plan ? ensure(call, network) : Result<Ready>(plan.error());
        if (done)
            ready.push_back(network.id);
        else
            failed.push_back({{"id", network.id}, {"message", done.error().text}});
        // What cannot be mended now is not taken for something that nobody wants.
        if (plan) plans.emplace(network.id, std::move(*plan));
        networks.emplace(network.id, std::move(network));
    }
    GANTRY_TRY(auto kernel, netlink::Socket::open());
    GANTRY_TRY(auto links, find_links(kernel, kind_.name, names_.all()));
    std::vector<std::string> marks;
    std::map<std::string, std::vector<std::string>> addresses;  // by network
    for (const Json& item : member<std::vector<Json>>(objects, "endpoints")) {
        const auto network = networks.find(member<std::string>(item, "network"));
        if (network == networks.end()) continue;
        const Endpoint endpoint = member<Endpoint>(item, "endpoint");
        marks.push_back(names_.of_endpoint(network->second, endpoint));
        auto& all = addresses[network->first];
        all.insert(all.end(), endpoint.addresses.begin(), endpoint.addresses.end());
        if (std::none_of(links.begin(), links.end(), [&](const Found& f) { return f.link.alias == marks.back(); }))
            missing.push_back(endpoint.id);
    }
    for (const auto& [id, plan] : plans) {
        if (!plan.host_link) continue;
        auto routed = keep_host_routes(kernel, plan.host_link->name, addresses[id]);
        if (routed && !addresses[id].empty()) routed = add_host_routes(kernel, plan.host_link->name, addresses[id]);
        if (!routed) failed.push_back({{"id", id}, {"message", routed.error().text}});
    }
    GANTRY_CHECK(remove_orphans(plans, marks, orphans));
    return Answer(Json{{"ready", ready},
                       {"repaired", Json::array()},
                       {"missing", missing},
                       {"removed_orphans", orphans},
                       {"failed", failed}});
}

Result<void> ChildDriver::remove_orphans(const std::map<std::string, Plan>& wanted,
                                         const std::vector<std::string>& endpoints, Json& removed) {
    GANTRY_TRY(auto kernel, netlink::Socket::open());
    GANTRY_TRY(auto links, find_links(kernel, kind_.name, names_.all(), names_.group()));
    for (const Found& found : links) {
        if (std::find(endpoints.begin(), endpoints.end(), found.link.alias) != endpoints.end()) continue;
        GANTRY_CHECK(kernel.remove_in(found.namespace_id, found.link.index));
        removed.push_back(found.link.name);
    }
    auto anybody = [&](auto uses) {
        return std::any_of(wanted.begin(), wanted.end(), [&](const auto& item) { return uses(item.second); });
    };
    auto drop = [&](const netlink::Link& link) -> Result<void> {
        netlink::Batch batch;
        batch.remove_link(link.name);
        auto done = kernel.send(std::move(batch));
        if (!done && done.error().code != Code::not_found) return done;
        removed.push_back(link.name);
        return {};
    };
    for (const char* made : {"macvlan", "vlan", "dummy"}) {
        GANTRY_TRY(auto own, kernel.list(made));
        for (const netlink::Link& link : own) {
            if (!link.alias.starts_with(names_.all())) continue;
            const bool needed = anybody([&](const Plan& plan) {
                return (plan.parent.mark == link.alias && plan.parent.name == link.name) ||
                       (plan.host_link && plan.host_link->mark == link.alias);
            });
            if (!needed) GANTRY_CHECK(drop(link));
        }
    }
    return {};
}

}  // namespace gantry::child
