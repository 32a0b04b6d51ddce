#include <gantry/driver.hpp>

#include "core/base/clock.hpp"
#include "core/base/log.hpp"
#include "core/daemon/api/answer.hpp"
#include "core/daemon/api/api.hpp"
#include "core/daemon/api/prune_filters.hpp"

namespace gantry::daemon {
namespace {

Result<Json> prune_networks(Deps& deps, const http::Request& request) {
    GANTRY_TRY(PruneFilters filters, read_prune_filters(request, {"label", "label!", "until"}));
    const std::set<std::string> wanted = deps.networks_wanted();
    Json deleted = Json::array();
    for (const Json& network : deps.networks.list()) {
        const auto name = member<std::string>(network, "Name"), id = member<std::string>(network, "Id");
        if (name == "bridge" || name == "host" || name == "none") continue;
        // One that a stopped container will want at its next start is in use.
        if (!member<Json>(network, "Containers", Json::object()).empty() || wanted.contains(name) ||
            wanted.contains(id))
            continue;
        const std::int64_t created = parse_rfc3339(member<std::string>(network, "Created")).value_or(0);
        if (!filters.fits(created, member<Json>(network, "Labels", Json::object()))) continue;
        if (auto removed = deps.networks.remove(id); !removed) {
            if (removed.error().code != Code::conflict && removed.error().code != Code::denied)
                log::warn("an unused network could not be removed",
                          {{"network", name}, {"reason", removed.error().text}});
            continue;
        }
        deps.events.publish("network", "destroy", id,
                            {{"name", name}, {"type", member<std::string>(network, "Driver")}});
        deleted.push_back(name);
    }
    deps.events.publish("network", "prune", "", {{"reclaimed", "0"}});
    return Json{{"NetworksDeleted", std::move(deleted)}};
}

}  // namespace

void register_network_prune(http::Router& router, Deps& deps) {
    router.add("POST", "/networks/prune",
               [&deps](http::Request request, Reply reply) { answer(reply, prune_networks(deps, request)); });
}

}  // namespace gantry::daemon
