#include <gantry/driver.hpp>

#include "core/base/clock.hpp"
#include "core/base/failpoint.hpp"
#include "core/base/log.hpp"
#include "core/container/service.hpp"
#include "core/daemon/api/answer.hpp"
#include "core/daemon/api/api.hpp"
#include "core/daemon/api/prune_filters.hpp"

namespace gantry::daemon {
namespace {

Result<Json> prune_containers(Deps& deps, const http::Request& request) {
    GANTRY_TRY(PruneFilters filters, read_prune_filters(request, {"label", "label!", "until"}));
    container::ContainerService& service = *deps.containers;
    GANTRY_TRY(Json stopped, service.list(true, 0, true, {{"status", {"created", "exited", "dead"}}}));
    Json deleted = Json::array();
    std::int64_t reclaimed = 0;
    for (const Json& container : stopped) {
        const std::int64_t created = member<std::int64_t>(container, "Created") * 1'000'000'000;
        if (!filters.fits(created, member<Json>(container, "Labels", Json::object()))) continue;
        const auto id = member<std::string>(container, "Id");
        // Without force: one that has been started meanwhile stays.
        if (auto removed = service.remove(id, false, false); !removed) {
            if (removed.error().code != Code::not_found && removed.error().code != Code::conflict)
                log::warn("a stopped container could not be removed",
                          {{"container", id}, {"reason", removed.error().text}});
            continue;
        }
        deleted.push_back(id);
        reclaimed += member<std::int64_t>(container, "SizeRw");
        GANTRY_FAILPOINT("container.prune.one_removed");
    }
    deps.events.publish("container", "prune", "", {{"reclaimed", std::to_string(reclaimed)}});
    return Json{{"ContainersDeleted", std::move(deleted)}, {"SpaceReclaimed", reclaimed}};
}

}  // namespace

void register_container_prune(http::Router& router, Deps& deps) {
    router.add("POST", "/containers/prune",
               [&deps](http::Request request, Reply reply) { answer(reply, prune_containers(deps, request)); });
}

}  // namespace gantry::daemon
