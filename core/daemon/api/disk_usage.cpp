// GET /system/df.
#include <gantry/driver.hpp>

#include "core/container/service.hpp"
#include "core/daemon/api/answer.hpp"
#include "core/daemon/api/api.hpp"
#include "core/daemon/api/volume_size.hpp"
#include "core/image/api.hpp"
#include "core/image/shared_sizes.hpp"

namespace gantry::daemon {
namespace {

Json images_of(Deps& deps, const Json& containers, std::int64_t* all_layers) {
    std::map<std::string, std::int64_t> users;
    for (const Json& container : containers) ++users[member<std::string>(container, "ImageID")];
    const auto images = deps.images.list();
    const image::SharedSizes sizes(images);
    *all_layers = sizes.total();
    Json list = Json::array();
    for (const auto& image : images) {
        Json summary = image::to_summary(*image, users[image->id]);
        summary["SharedSize"] = sizes.shared(*image);
        list.push_back(std::move(summary));
    }
    return list;
}

Json volumes_of(Deps& deps) {
    Json list = Json::array();
    for (const volume::Volume& volume : deps.volumes.list()) {
        Json shown = volume.to_api();
        shown["UsageData"] = {{"Size", volume_size(volume)}, {"RefCount", volume.consumers.size()}};
        list.push_back(std::move(shown));
    }
    return list;
}

Result<Json> disk_usage(Deps& deps, const http::Request& request) {
    std::set<std::string> types;
    for (auto [at, end] = request.query.equal_range("type"); at != end; ++at) {
        if (at->second != "container" && at->second != "image" && at->second != "volume" && at->second != "build-cache")
            return fail(Code::invalid, "unknown object type: " + at->second.substr(0, 64) +
                                           "; known are container, image, volume, build-cache");
        types.insert(at->second);
    }
    auto wanted = [&](const char* type) { return types.empty() || types.contains(type); };
    Json usage = Json::object();
    Json containers = Json::array();
    // Sizes cost a walk through each container's files: only where they are asked for.
    if (wanted("container") || wanted("image")) {
        GANTRY_TRY(containers, deps.containers->list(true, 0, wanted("container"), {}));
    }
    if (wanted("image")) {
        std::int64_t layers = 0;
        usage["Images"] = images_of(deps, containers, &layers);
        usage["LayersSize"] = layers;
    }
    if (wanted("container")) usage["Containers"] = std::move(containers);
    if (wanted("volume")) usage["Volumes"] = volumes_of(deps);
    if (wanted("build-cache")) {
        usage["BuildCache"] = deps.build_cache_usage ? deps.build_cache_usage() : Json::array();
        std::int64_t size = 0;
        for (const Json& entry : usage["BuildCache"]) size += member<std::int64_t>(entry, "Size");
        usage["BuilderSize"] = size;
    }
    return usage;
}

}  // namespace

void register_disk_usage(http::Router& router, Deps& deps) {
    router.add(
        "GET", "/system/df",
        [&deps](http::Request request, Reply reply) { answer(reply, disk_usage(deps, request)); }, http::Body::none);
}

}  // namespace gantry::daemon
