#include "core/daemon/api/image_platforms.hpp"

#include <algorithm>
#include <set>

#include <gantry/driver.hpp>

#include "core/image/api.hpp"
#include "core/image/attestation.hpp"
#include "core/image/image_store_impl.hpp"
#include "core/image/media_types.hpp"
#include "core/image/registry/platform.hpp"

namespace gantry::daemon {
namespace {

namespace registry = image::registry;

// The manifest's own words in its index: a digest and a size that a client can ask a registry for.
Json summary_of(const image::Record& record, Json descriptor, const std::vector<std::string>& users) {
    image::ImageStore::Manifest manifest{std::move(descriptor), 0};
    manifest.content_bytes = manifest.descriptor.value("size", std::int64_t{0});
    for (const image::LayerBlob& blob : record.blobs) manifest.content_bytes += blob.size;
    return image::manifest_summary(*record.image, manifest, users);
}

void add_attestations(const image::Record& record, Json& all) {
    for (const image::Attestation& one : record.attestations) {
        std::int64_t bytes = one.size;
        for (const image::LayerBlob& blob : one.blobs) bytes += blob.size;
        all.push_back({{"ID", one.digest},
                       {"Descriptor", image::attestation_entry(one, record.manifest)},
                       {"Available", true},
                       {"Kind", "attestation"},
                       {"Size", {{"Content", bytes}, {"Total", bytes}}},
                       {"AttestationData", {{"For", record.manifest}}}});
    }
}

}  // namespace

void add_attestations_of(Deps& deps, const image::Image& image, Json& manifests) {
    if (auto record = deps.images.parts().catalog.record(image.id)) add_attestations(*record, manifests);
}

Result<std::vector<std::shared_ptr<const image::Image>>> find_for_platforms(image::ImageStore& images,
                                                                            const std::string& name,
                                                                            const std::vector<Json>& platforms) {
    GANTRY_TRY(image::ImageStore::Choices choices, images.choices(name));
    if (platforms.empty()) return std::vector{choices.images.front()};
    std::vector<std::shared_ptr<const image::Image>> found;
    for (const Json& platform : platforms) {
        const registry::Platform wanted = registry::platform_of(platform);
        std::shared_ptr<const image::Image> best;
        int fit = 0;
        std::string offered;
        for (const auto& image : choices.images) {
            const registry::Platform own = registry::platform_of(image->config);
            offered += (offered.empty() ? "" : ", ") + own.text();
            if (const int fits = registry::fitness(wanted, own); fits > fit) {
                fit = fits;
                best = image;
            }
        }
        if (!best)
            return fail(Code::not_found, "image with reference " + name +
                                             " was found but does not provide the specified platform (" +
                                             wanted.text() + "): it is for " + offered);
        if (std::find(found.begin(), found.end(), best) == found.end()) found.push_back(std::move(best));
    }
    return found;
}

Json manifests_of(Deps& deps, const std::vector<std::string>& names,
                  std::map<std::string, std::vector<std::string>>& users) {
    Json all = nullptr;
    std::set<std::string> seen;
    auto& parts = deps.images.parts();
    for (const std::string& name : names) {
        auto named = parts.catalog.named(name);
        if (!named || !named->index) continue;
        if (all.is_null()) all = Json::array();
        auto text = parts.blobs.read(named->index->digest, 4u << 20);
        const Json index = text ? Json::parse(*text, nullptr, false) : Json();
        auto add = [&](const image::Record& record) {
            if (!seen.insert(record.image->id).second) return;
            Json descriptor{{"mediaType", image::media::manifest}, {"digest", record.manifest}, {"size", 0}};
            for (const Json& entry : member<std::vector<Json>>(index, "manifests"))
                if (member<std::string>(entry, "digest") == record.manifest) descriptor = entry;
            all.push_back(summary_of(record, std::move(descriptor), users[record.image->id]));
        };
        add(named->record);
        for (const image::Record& variant : named->index->variants) add(variant);
        add_attestations(named->record, all);
        for (const image::Record& variant : named->index->variants) add_attestations(variant, all);
    }
    return all;
}

}  // namespace gantry::daemon
