// GET /system/df.
#include <algorithm>
#include <set>

#include <gantry/driver.hpp>

#include "core/container/service.hpp"
#include "core/daemon/api/answer.hpp"
#include "core/daemon/api/api.hpp"
#include "core/daemon/api/volume_size.hpp"
#include "core/image/api.hpp"
#include "core/image/shared_sizes.hpp"

namespace gantry::daemon {
namespace {

enum class Items { summed = 1, listed };

Json images_of(Deps& deps, const Json& containers, std::int64_t* all_layers) {
    std::map<std::string, std::int64_t> users;
    for (const Json& container : containers) ++users[member<std::string>(container, "ImageID")];
    const auto images = deps.images.list();
    const image::SharedSizes sizes(images);
    // Of an image for several platforms the list has one: the layers of the others are here, too.
    *all_layers = sizes.total();
    std::set<std::string> listed;
    for (const auto& image : images) listed.insert(image->layers.begin(), image->layers.end());
    for (const auto& [layer, size] : deps.images.layers_of_variants())
        if (!listed.contains(layer)) *all_layers += size;
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

struct Sum {
    std::int64_t active = 0, size = 0, reclaimable = 0;
    Json to_api(const Json& items, Items shown) const {
        Json usage{
            {"ActiveCount", active}, {"TotalCount", items.size()}, {"TotalSize", size}, {"Reclaimable", reclaimable}};
        if (shown == Items::listed) usage["Items"] = items;
        return usage;
    }
};

// What goes when nothing that is used goes: layers that an image in use shares stay.
Json image_usage(const Json& images, std::int64_t layers, Items shown) {
    Sum sum{0, layers, layers};
    for (const Json& image : images) {
        if (member<std::int64_t>(image, "Containers") == 0) continue;
        ++sum.active;
        sum.reclaimable -= member<std::int64_t>(image, "Size") - member<std::int64_t>(image, "SharedSize");
    }
    return sum.to_api(images, shown);
}

Json container_usage(const Json& containers, Items shown) {
    Sum sum;
    for (const Json& container : containers) {
        const auto size = member<std::int64_t>(container, "SizeRw");
        const auto state = member<std::string>(container, "State");
        const bool active = state == "running" || state == "paused" || state == "restarting";
        sum.size += size;
        if (active)
            ++sum.active;
        else
            sum.reclaimable += size;
    }
    return sum.to_api(containers, shown);
}

Json volume_usage(const Json& volumes, Items shown) {
    Sum sum;
    for (const Json& volume : volumes) {
        const Json usage = member<Json>(volume, "UsageData", Json::object());
        const auto size = std::max<std::int64_t>(member<std::int64_t>(usage, "Size"), 0);  // -1: not known
        sum.size += size;
        if (member<std::int64_t>(usage, "RefCount") > 0)
            ++sum.active;
        else
            sum.reclaimable += size;
    }
    return sum.to_api(volumes, shown);
}

Json cache_usage(const Json& cache, Items shown) {
    Sum sum;
    for (const Json& entry : cache) {
        const auto size = member<std::int64_t>(entry, "Size");
        sum.size += size;
        if (member<bool>(entry, "InUse"))
            ++sum.active;
        else
            sum.reclaimable += size;
    }
    return sum.to_api(cache, shown);
}

// The form of 1.52 and later.
void add_sums(Json& usage, Items shown) {
    if (auto images = usage.find("Images"); images != usage.end())
        usage["ImageUsage"] = image_usage(*images, usage["LayersSize"], shown);
    if (auto containers = usage.find("Containers"); containers != usage.end())
        usage["ContainerUsage"] = container_usage(*containers, shown);
    if (auto volumes = usage.find("Volumes"); volumes != usage.end())
        usage["VolumeUsage"] = volume_usage(*volumes, shown);
    if (auto cache = usage.find("BuildCache"); cache != usage.end())
        usage["BuildCacheUsage"] = cache_usage(*cache, shown);
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
    const int version = request.version_number();
    if (version < 144 && usage.contains("Images"))
        for (Json& image : usage["Images"]) image["VirtualSize"] = image["Size"];
    const bool verbose = request.query_flag("verbose");
    if (version >= 152) add_sums(usage, verbose ? Items::listed : Items::summed);
    // 1.52 has both forms, but for what is shown in full.
    if (version >= 153 || (version == 152 && verbose))
        for (const char* old : {"Images", "LayersSize", "Containers", "Volumes", "BuildCache"}) usage.erase(old);
    if (version >= 142) usage.erase("BuilderSize");
    return usage;
}

}  // namespace

void register_disk_usage(http::Router& router, Deps& deps) {
    router.add(
        "GET", "/system/df", [&deps](http::Request request, Reply reply) { answer(reply, disk_usage(deps, request)); },
        http::Body::none);
}

}  // namespace gantry::daemon
