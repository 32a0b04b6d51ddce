#include "core/image/shared_sizes.hpp"

namespace gantry::image {

SharedSizes::SharedSizes(const std::vector<std::shared_ptr<const Image>>& images) {
    for (const auto& image : images)
        for (std::size_t i = 0; i < image->layers.size(); ++i)
            if (++users_[image->layers[i]] == 1) total_ += image->layer_sizes[i];
}

std::int64_t SharedSizes::shared(const Image& image) const {
    std::int64_t bytes = 0;
    for (std::size_t i = 0; i < image.layers.size(); ++i)
        if (auto users = users_.find(image.layers[i]); users != users_.end() && users->second > 1)
            bytes += image.layer_sizes[i];
    return bytes;
}

}  // namespace gantry::image
