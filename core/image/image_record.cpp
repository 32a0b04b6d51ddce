#include "core/image/image_record.hpp"

#include <algorithm>

#include <gantry/driver.hpp>

#include "core/base/clock.hpp"
#include "core/image/digest.hpp"
#include "core/store/members.hpp"

namespace gantry::image {

store::Object to_object(const Record& record) {
    Json blobs = Json::array();
    for (const LayerBlob& blob : record.blobs) blobs.push_back({{"digest", blob.digest}, {"size", blob.size}});
    const Image& image = *record.image;
    return {image.id, "", 1,
            Json{{"tags", image.tags},
                 {"repo_digests", image.repo_digests},
                 {"layers", image.layers},
                 {"size", image.size},
                 {"tagged_ns", image.tagged_ns},
                 {"manifest", record.manifest},
                 {"used_ns", record.used_ns},
                 {"blobs", std::move(blobs)},
                 {"layer_sizes", image.layer_sizes}}};
}

Result<Record> from_object(const store::Object& object, Json config) {
    if (!valid_digest(object.id)) return fail(Code::corrupt, "its id is not a digest");
    Image image;
    image.id = object.id;
    Record record;
    std::vector<Json> blobs;
    GANTRY_CHECK(store::Members(object.body)
                     .required("tags", image.tags)
                     .required("repo_digests", image.repo_digests)
                     .required("layers", image.layers)
                     .required("layer_sizes", image.layer_sizes)
                     .required("size", image.size)
                     .required("tagged_ns", image.tagged_ns)
                     .required("manifest", record.manifest)
                     .optional("used_ns", record.used_ns)
                     .required("blobs", blobs)
                     .result());
    // They become parts of paths.
    auto stored = [](const std::string& digest) { return digest.empty() || valid_digest(digest); };
    if (!stored(record.manifest)) return fail(Code::corrupt, "its manifest is not a digest");
    for (const Json& body : blobs) {
        LayerBlob blob;
        GANTRY_CHECK(store::Members(body).required("digest", blob.digest).required("size", blob.size).result());
        if (!stored(blob.digest)) return fail(Code::corrupt, "one of its blobs is not a digest");
        record.blobs.push_back(std::move(blob));
    }
    if (!std::all_of(image.layers.begin(), image.layers.end(), valid_digest))
        return fail(Code::corrupt, "one of its layers is not a digest");
    if (image.layer_sizes.size() != image.layers.size() || record.blobs.size() != image.layers.size())
        return fail(Code::corrupt, "it has " + std::to_string(image.layers.size()) + " layers, but sizes of " +
                                       std::to_string(image.layer_sizes.size()) + " and blobs of " +
                                       std::to_string(record.blobs.size()));
    image.created_ns = parse_rfc3339(member<std::string>(config, "created")).value_or(0);
    image.config = std::move(config);
    record.image = std::make_shared<const Image>(std::move(image));
    return record;
}

References references_of(const store::Object& object) {
    References needed;
    const Json& body = object.body;
    if (!body.is_object()) return needed;
    needed.layers = member<std::vector<std::string>>(body, "layers");
    needed.blobs = {object.id, member<std::string>(body, "manifest")};
    for (const Json& blob : member<std::vector<Json>>(body, "blobs"))
        if (blob.is_object()) needed.blobs.push_back(member<std::string>(blob, "digest"));
    return needed;
}

}  // namespace gantry::image
