#include "core/image/image_record.hpp"

#include <gantry/driver.hpp>

#include "core/base/clock.hpp"
#include "core/image/digest.hpp"

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
                 {"blobs", std::move(blobs)},
                 {"layer_sizes", image.layer_sizes}}};
}

Result<Record> from_object(const store::Object& object, Json config) {
    const Json& body = object.body;
    if (!valid_digest(object.id) || !body.is_object()) return fail(Code::corrupt, "not the record of an image");
    using Strings = std::vector<std::string>;
    Image image;
    image.id = object.id;
    image.tags = member<Strings>(body, "tags");
    image.repo_digests = member<Strings>(body, "repo_digests");
    image.layers = member<Strings>(body, "layers");
    image.layer_sizes = member<std::vector<std::int64_t>>(body, "layer_sizes");
    image.size = member<std::int64_t>(body, "size");
    image.tagged_ns = member<std::int64_t>(body, "tagged_ns");
    image.created_ns = parse_rfc3339(member<std::string>(config, "created")).value_or(0);
    image.config = std::move(config);
    Record record;
    record.manifest = member<std::string>(body, "manifest");
    if (auto blobs = body.find("blobs"); blobs != body.end() && blobs->is_array())
        for (const Json& blob : *blobs)
            if (blob.is_object())
                record.blobs.push_back({member<std::string>(blob, "digest"), member<std::int64_t>(blob, "size")});
    record.image = std::make_shared<const Image>(std::move(image));
    return record;
}

}  // namespace gantry::image
