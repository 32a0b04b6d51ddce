#include "core/daemon/api/image_prune.hpp"

#include <gantry/driver.hpp>

#include "core/base/clock.hpp"
#include "core/base/failpoint.hpp"
#include "core/base/log.hpp"
#include "core/daemon/api/answer.hpp"
#include "core/daemon/api/api.hpp"
#include "core/daemon/api/prune_filters.hpp"

namespace gantry::daemon {
namespace {

// One name, or the id of one without names; false where it has come to be used.
bool remove_one(Deps& deps, const std::string& name, const std::string& id, Json& entries) {
    auto gone = deps.images.remove(name, false, true, deps.user_of_image);
    if (!gone) {
        if (gone.error().code != Code::conflict && gone.error().code != Code::not_found)
            log::warn("an unused image could not be removed", {{"image", name}, {"reason", gone.error().text}});
        return false;
    }
    for (const std::string& tag : gone->untagged) {
        entries.push_back({{"Untagged", tag}});
        deps.events.publish("image", "untag", id, {{"name", id}});
    }
    for (const std::string& deleted : gone->deleted) {
        entries.push_back({{"Deleted", deleted}});
        deps.events.publish("image", "delete", deleted, {{"name", deleted}});
    }
    return true;
}

Result<Json> prune_images(Deps& deps, const http::Request& request) {
    GANTRY_TRY(PruneFilters filters,
               read_prune_filters(request, {"dangling", "label", "label!", "until", "unused-for"}));
    const bool only_dangling = filters.dangling.value_or(true);
    const std::int64_t now = wall_clock_ns();
    std::vector<std::string> ids;
    for (const auto& image : deps.images.list()) {
        if (only_dangling && !image->tags.empty()) continue;
        const Json labels =
            member<Json>(member<Json>(image->config, "config", Json::object()), "Labels", Json::object());
        if (!filters.fits(image->created_ns, labels)) continue;
        if (filters.unused_for_ns && now - deps.images.last_used(image->id) < *filters.unused_for_ns) continue;
        if (deps.user_of_image(image->id).empty()) ids.push_back(image->id);
    }
    return remove_unused_images(deps, ids, "prune");
}

}  // namespace

Json remove_unused_images(Deps& deps, const std::vector<std::string>& ids, const std::string& reason) {
    Json entries = Json::array();
    for (const std::string& id : ids) {
        auto image = deps.images.find(id);
        if (!image) continue;
        if ((*image)->tags.empty()) {
            remove_one(deps, id, id, entries);
        } else {
            for (const std::string& tag : (*image)->tags)
                if (!remove_one(deps, tag, id, entries)) break;
        }
        GANTRY_FAILPOINT_VOID("image.prune.one_removed");
    }
    std::int64_t reclaimed = 0;
    if (!entries.empty()) {
        auto freed = deps.images.collect_garbage(deps.layers_in_use());
        if (freed)
            reclaimed = *freed;
        else
            log::warn("the files of removed images could not be deleted", {{"reason", freed.error().text}});
    }
    deps.events.publish("image", "prune", "", {{"reclaimed", std::to_string(reclaimed)}, {"reason", reason}});
    return {{"ImagesDeleted", std::move(entries)}, {"SpaceReclaimed", reclaimed}};
}

void register_image_prune(http::Router& router, Deps& deps) {
    router.add("POST", "/images/prune",
               [&deps](http::Request request, Reply reply) { answer(reply, prune_images(deps, request)); });
}

}  // namespace gantry::daemon
