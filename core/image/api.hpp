// Images as the Engine API shows them.
#pragma once
#include "core/image/image_store.hpp"

namespace gantry::image {

// ImageSummary; `containers`: how many use the image, -1 for "not counted".
Json to_summary(const Image& image, std::int64_t containers);
// ImageInspect.
Json to_inspect(const Image& image);
// {"os", "architecture", "variant"} of its config.
Json platform_of(const Image& image);
// Identity: the repositories that it was pulled from or pushed to; null where there is none.
Json identity_of(const Image& image);
// ImageManifestSummary of the image's one manifest; `containers`: the ids of those that were made of it.
Json manifest_summary(const Image& image, const ImageStore::Manifest& manifest,
                      const std::vector<std::string>& containers);
// HistoryResponseItem[], newest first.
Json history(const Image& image);

}  // namespace gantry::image
