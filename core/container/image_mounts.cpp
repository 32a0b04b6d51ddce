// Mounts of type image: the files of an image that is here, read-only, within a container of another one. Each has a view of the
// image's layers, which is made with the container and goes with it.
#include <fcntl.h>

#include "core/base/failpoint.hpp"
#include "core/container/entry.hpp"
#include "core/container/spec.hpp"
#include "core/container/subtree.hpp"

namespace gantry::container {
namespace {

std::string view_of(const std::string& layer, std::size_t number) { return layer + "-image-" + std::to_string(number); }

}  // namespace

// Which images are meant: what a name stands for may change while a container has one mounted. Gives the keys of their views.
Result<std::vector<std::string>> ContainerService::resolve_image_mounts(const std::string& layer,
                                                                        std::vector<MountPoint>& mounts) {
    std::vector<std::string> views;
    for (std::size_t i = 0; i < mounts.size(); ++i) {
        MountPoint& point = mounts[i];
        if (point.type != "image") continue;
        // That of another container (VolumesFrom) is known by its id.
        auto image = with_.images.find(point.source.empty() ? point.name : point.source);
        // Not as what is not found: a client would pull the container's own image then.
        if (!image)
            return fail(Code::invalid, "invalid mount config for type \"image\": " + std::move(image).error().text);
        if ((*image)->layers.empty())
            return fail(Code::invalid,
                        "invalid mount config for type \"image\": image \"" + point.name + "\" has no files to mount");
        point.source = (*image)->id;
        views.push_back(view_of(layer, i));
    }
    return views;
}

Result<void> ContainerService::make_image_views(const Container& c, const std::vector<MountPoint>& mounts) {
    GANTRY_TRY(auto layers, with_.drivers.get(driver::Kind::layer, c.layer_driver));
    for (std::size_t i = 0; i < mounts.size(); ++i) {
        if (mounts[i].type != "image") continue;
        GANTRY_TRY(auto image, with_.images.find(mounts[i].source));
        GANTRY_CHECK(layers->call("layer/1", "view", {{"key", view_of(c.layer, i)}, {"parent", image->top_layer()}}));
        GANTRY_FAILPOINT("container.create.after_view");
    }
    return {};
}

std::vector<std::string> ContainerService::image_views(const Container& c) const {
    std::vector<std::string> views;
    for (std::size_t i = 0; i < c.mounts.size(); ++i)
        if (c.mounts[i].type == "image") views.push_back(view_of(c.layer, i));
    return views;
}

Result<UniqueFd> ContainerService::open_image(const Container& c, const MountPoint& point) {
    GANTRY_TRY(auto layers, with_.drivers.get(driver::Kind::layer, c.layer_driver));
    const auto number = static_cast<std::size_t>(&point - c.mounts.data());
    GANTRY_TRY(driver::Reply plan, layers->call("layer/1", "mounts", {{"key", view_of(c.layer, number)}}));
    return open_subtree(plan.result["mounts"], point.subpath, Access::read_only)
        .context(point.subpath.empty() ? "image \"" + point.name + "\"" : "subpath of image \"" + point.name + "\"");
}

}  // namespace gantry::container
