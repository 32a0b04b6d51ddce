// Images for several platforms, as the API shows and names their parts.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/daemon/deps.hpp"
#include "core/image/image_store.hpp"

namespace gantry::daemon {

// Of what `name` stands for, the images for the platforms ({"os", "architecture", "variant"}), each once, in that order; without
// platforms the main one. GANTRY_NOT_FOUND names a platform that there is no image for, and those that there are.
Result<std::vector<std::shared_ptr<const image::Image>>> find_for_platforms(image::ImageStore& images,
                                                                            const std::string& name,
                                                                            const std::vector<Json>& platforms);
// The ImageManifestSummary of each attestation of an image that no index stands for, behind its own.
void add_attestations_of(Deps& deps, const image::Image& image, Json& manifests);
// ImageManifestSummary[] of the images that are here, and then of their attestations, of the indexes behind these names; null where none is one's. `users`: by an
// image's id the containers that were made of it.
Json manifests_of(Deps& deps, const std::vector<std::string>& names,
                  std::map<std::string, std::vector<std::string>>& users);

}  // namespace gantry::daemon
