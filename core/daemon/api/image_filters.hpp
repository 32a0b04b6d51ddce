// The filters of GET /images/json.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "core/image/image_store.hpp"

namespace gantry::daemon {

using ImageList = std::vector<std::shared_ptr<const image::Image>>;

// Those of `images` that fit, newest first; with a reference filter only the tags that fit are left. GANTRY_INVALID for
// unknown filters and values, GANTRY_NOT_FOUND for an image named by before or since that is not there.
Result<ImageList> filter_images(image::ImageStore& store,
                                const std::map<std::string, std::vector<std::string>>& filters);

}  // namespace gantry::daemon
