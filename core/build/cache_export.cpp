#include "core/build/cache_export.hpp"

#include <map>
#include <set>

#include "core/image/registry/layer_blobs.hpp"

namespace gantry::build {
namespace {

Result<CacheBlob> send_cached_layer(image::ImageStore& images, CacheImport* imported, const LayerRef& layer,
                                    CacheTarget& target, const OnProgress& progress, const Cancel& cancel) {
    auto put = [&](const CacheBlob& blob, int file) {
        const std::string shown = shown_blob(blob);
        return target.put(
            blob, file, [&](std::int64_t bytes) { progress(shown, bytes, blob.size); }, cancel);
    };
    if (auto origin = imported ? imported->origin_of(layer.key) : std::nullopt) {
        GANTRY_TRY(bool there, target.has(origin->blob));
        if (there) return origin->blob;
        GANTRY_TRY(bool here, images.has_layer(layer.key));
        if (!here) {
            GANTRY_TRY(UniqueFd file, origin->source->blob(
                                          origin->blob, [](std::int64_t) {}, cancel));
            GANTRY_CHECK(put(origin->blob, file.get()));
            return origin->blob;
        }
    }
    GANTRY_TRY(auto packed, image::registry::packed_layer(images, layer.key, layer.diff_id,
                                                          [&cancel] { return cancel.cancelled(); }));
    CacheBlob blob{packed.media_type, packed.digest, packed.size};
    GANTRY_TRY(bool there, target.has(blob));
    if (!there) GANTRY_CHECK(put(blob, packed.file.get()));
    return blob;
}

}  // namespace

Result<void> export_cache(image::ImageStore& images, CacheImport* imported, const std::vector<CachedResult>& results,
                          CacheTarget& target, const OnProgress& progress, const Cancel& cancel) {
    CacheDocument document;
    std::map<std::string, std::size_t> places;
    std::map<std::string, CacheBlob> by_content;  // the same files over another layer are the same blob
    std::set<std::string> keys;
    for (const CachedResult& result : results) {
        GANTRY_CHECK(cancel.check());
        if (!keys.insert(result.key).second) continue;
        auto [place, fresh] = places.emplace(result.layer.key, document.layers.size());
        if (fresh) {
            if (document.layers.size() >= most_cache_layers || document.records.size() >= most_cache_records)
                return fail(Code::exhausted, "a cache has at most " + std::to_string(most_cache_layers) + " layers");
            auto sent = by_content.find(result.layer.diff_id);
            if (sent == by_content.end()) {
                GANTRY_TRY(CacheBlob blob, send_cached_layer(images, imported, result.layer, target, progress, cancel));
                sent = by_content.emplace(result.layer.diff_id, std::move(blob)).first;
            }
            document.layers.push_back({result.parent, result.layer.diff_id, result.layer.size, sent->second});
        }
        document.records.push_back({result.key, place->second, result.description, result.created_ns});
    }
    const std::string config = write_cache_config(document);
    return target.finish(write_cache_manifest(document, config), config, cancel);
}

}  // namespace gantry::build
