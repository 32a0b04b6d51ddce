#include "core/base/files.hpp"
#include "core/base/log.hpp"
#include "core/daemon/api/answer.hpp"
#include "core/daemon/api/api.hpp"
#include "core/daemon/api/prune_filters.hpp"
#include "core/daemon/api/volume_size.hpp"

namespace gantry::daemon {
namespace {

Result<Json> prune_volumes(Deps& deps, const http::Request& request) {
    GANTRY_TRY(PruneFilters filters, read_prune_filters(request, {"all", "label", "label!"}));
    // Since version 1.42 of the API only anonymous ones go, unless all are asked for.
    const bool all = filters.all.value_or(request.version_number() < 142);
    Json deleted = Json::array();
    std::int64_t reclaimed = 0;
    for (const volume::Volume& volume : deps.volumes.list()) {
        if (!volume.consumers.empty() || (!all && !volume.anonymous)) continue;
        if (!filters.fits(volume.created_ns, Json(volume.labels))) continue;
        const std::int64_t size = volume_size(volume);
        if (auto removed = deps.volumes.remove(volume.name, false); !removed) {
            if (removed.error().code != Code::conflict && removed.error().code != Code::not_found)
                log::warn("an unused volume could not be removed",
                          {{"volume", volume.name}, {"reason", removed.error().text}});
            continue;
        }
        deps.events.publish("volume", "destroy", volume.name, {{"driver", volume.driver}});
        deleted.push_back(volume.name);
        reclaimed += std::max<std::int64_t>(size, 0);
    }
    deps.events.publish("volume", "prune", "", {{"reclaimed", std::to_string(reclaimed)}});
    return Json{{"VolumesDeleted", std::move(deleted)}, {"SpaceReclaimed", reclaimed}};
}

}  // namespace

void register_volume_prune(http::Router& router, Deps& deps) {
    router.add("POST", "/volumes/prune",
               [&deps](http::Request request, Reply reply) { answer(reply, prune_volumes(deps, request)); });
}

}  // namespace gantry::daemon
