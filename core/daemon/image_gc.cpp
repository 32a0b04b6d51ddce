#include "core/daemon/image_gc.hpp"

#include <gantry/driver.hpp>

#include "core/base/clock.hpp"
#include "core/base/log.hpp"
#include "core/daemon/api/image_prune.hpp"
#include "core/image/gc_policy.hpp"

namespace gantry::daemon {

void collect_unused_images(Deps& deps) {
    const auto config = deps.config.get();
    const config::ImageGc& gc = config->image_gc;
    if (!gc.enabled()) return;
    image::GcPolicy policy{gc.max_age_ns, gc.max_size, gc.keep};
    std::vector<image::GcImage> images;
    for (const auto& image : deps.images.list()) {
        image::GcImage one{image->id, image->tags, {}, deps.images.last_used(image->id),
                           !deps.user_of_image(image->id).empty()};
        for (std::size_t i = 0; i < image->layers.size(); ++i)
            one.layers.emplace_back(image->layers[i], image->layer_sizes[i]);
        images.push_back(std::move(one));
    }
    const auto chosen = image::choose_images(images, policy, wall_clock_ns());
    if (chosen.empty()) return;
    const Json done = remove_unused_images(deps, chosen, "gc");
    log::info("unused images were removed", {{"images", std::to_string(chosen.size())},
                                             {"reclaimed", std::to_string(member<std::int64_t>(done, "SpaceReclaimed"))}});
}

}  // namespace gantry::daemon
