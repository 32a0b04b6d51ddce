#include "core/image/image_record.hpp"

#include <algorithm>

#include <gantry/driver.hpp>

#include "core/base/clock.hpp"
#include "core/image/digest.hpp"
#include "core/store/members.hpp"

namespace gantry::image {
namespace {

Json blobs_body(const std::vector<LayerBlob>& blobs) {
    Json all = Json::array();
    for (const LayerBlob& blob : blobs) all.push_back({{"digest", blob.digest}, {"size", blob.size}});
    return all;
}

// What every image has, an index's others too.
Json image_body(const Record& record) {
    const Image& image = *record.image;
    Json body{{"layers", image.layers},
              {"size", image.size},
              {"tagged_ns", image.tagged_ns},
              {"manifest", record.manifest},
              {"blobs", blobs_body(record.blobs)},
              {"layer_sizes", image.layer_sizes}};
    if (record.attestations.empty()) return body;
    body["attestations"] = Json::array();
    for (const Attestation& one : record.attestations)
        body["attestations"].push_back({{"digest", one.digest},
                                        {"media_type", one.media_type},
                                        {"size", one.size},
                                        {"blobs", blobs_body(one.blobs)}});
    return body;
}

Json index_body(const ImageIndex& index) {
    Json variants = Json::array();
    for (const Record& variant : index.variants) {
        Json body = image_body(variant);
        body["id"] = variant.image->id;
        variants.push_back(std::move(body));
    }
    return {{"digest", index.digest},
            {"media_type", index.media_type},
            {"tags", index.tags},
            {"variants", std::move(variants)}};
}

// Digests become parts of paths.
bool stored_digest(const std::string& digest) { return digest.empty() || valid_digest(digest); }

Result<std::vector<LayerBlob>> read_blobs(const std::vector<Json>& blobs) {
    std::vector<LayerBlob> all;
    for (const Json& one : blobs) {
        LayerBlob blob;
        GANTRY_CHECK(store::Members(one).required("digest", blob.digest).required("size", blob.size).result());
        if (!stored_digest(blob.digest)) return fail(Code::corrupt, "one of its blobs is not a digest");
        all.push_back(std::move(blob));
    }
    return all;
}

Result<Attestation> read_attestation(const Json& body) {
    Attestation attestation;
    std::vector<Json> blobs;
    GANTRY_CHECK(store::Members(body)
                     .required("digest", attestation.digest)
                     .required("media_type", attestation.media_type)
                     .required("size", attestation.size)
                     .required("blobs", blobs)
                     .result());
    if (!valid_digest(attestation.digest)) return fail(Code::corrupt, "one of its attestations is not a digest");
    GANTRY_TRY(attestation.blobs, read_blobs(blobs));
    for (const LayerBlob& blob : attestation.blobs)
        if (blob.digest.empty()) return fail(Code::corrupt, "one of its attestations names no blob");
    return attestation;
}

Result<void> read_image_body(const Json& body, Image& image, Record& record) {
    std::vector<Json> blobs, attestations;
    GANTRY_CHECK(store::Members(body)
                     .required("layers", image.layers)
                     .required("layer_sizes", image.layer_sizes)
                     .required("size", image.size)
                     .required("tagged_ns", image.tagged_ns)
                     .required("manifest", record.manifest)
                     .required("blobs", blobs)
                     .optional("attestations", attestations)
                     .result());
    if (!stored_digest(record.manifest)) return fail(Code::corrupt, "its manifest is not a digest");
    GANTRY_TRY(record.blobs, read_blobs(blobs));
    for (const Json& one : attestations) {
        GANTRY_TRY(Attestation attestation, read_attestation(one));
        record.attestations.push_back(std::move(attestation));
    }
    if (!std::all_of(image.layers.begin(), image.layers.end(), valid_digest))
        return fail(Code::corrupt, "one of its layers is not a digest");
    if (image.layer_sizes.size() != image.layers.size() || record.blobs.size() != image.layers.size())
        return fail(Code::corrupt, "it has " + std::to_string(image.layers.size()) + " layers, but sizes of " +
                                       std::to_string(image.layer_sizes.size()) + " and blobs of " +
                                       std::to_string(record.blobs.size()));
    return {};
}

void set_config(Image& image, Json config) {
    image.created_ns = parse_rfc3339(member<std::string>(config, "created")).value_or(0);
    image.config = std::move(config);
}

Result<ImageIndex> read_index_body(const Json& body, const ReadConfig& read) {
    ImageIndex index;
    std::vector<Json> variants;
    GANTRY_CHECK(store::Members(body)
                     .required("digest", index.digest)
                     .required("media_type", index.media_type)
                     .required("tags", index.tags)
                     .required("variants", variants)
                     .result());
    if (!valid_digest(index.digest)) return fail(Code::corrupt, "one of its indexes is not a digest");
    for (const Json& one : variants) {
        Image image;
        Record record;
        GANTRY_CHECK(store::Members(one).required("id", image.id).result());
        if (!valid_digest(image.id)) return fail(Code::corrupt, "an image of its index is not a digest");
        GANTRY_CHECK(read_image_body(one, image, record));
        if (read) {
            GANTRY_TRY(Json config, read(image.id));
            set_config(image, std::move(config));
        }
        record.image = std::make_shared<const Image>(std::move(image));
        index.variants.push_back(std::move(record));
    }
    return index;
}

void add_blobs(const Json& body, References& needed) {
    for (const Json& blob : member<std::vector<Json>>(body, "blobs"))
        if (blob.is_object()) needed.blobs.push_back(member<std::string>(blob, "digest"));
}

void add_references(const Json& body, const std::string& id, References& needed) {
    for (std::string& layer : member<std::vector<std::string>>(body, "layers"))
        needed.layers.push_back(std::move(layer));
    needed.blobs.push_back(id);
    needed.blobs.push_back(member<std::string>(body, "manifest"));
    add_blobs(body, needed);
    for (const Json& attestation : member<std::vector<Json>>(body, "attestations")) {
        if (!attestation.is_object()) continue;
        needed.blobs.push_back(member<std::string>(attestation, "digest"));
        add_blobs(attestation, needed);
    }
}

}  // namespace

const Record* variant_of(const ImageIndex& index, std::string_view id) {
    for (const Record& variant : index.variants)
        if (variant.image->id == id) return &variant;
    return nullptr;
}

store::Object to_object(const Record& record) {
    Json body = image_body(record);
    body["tags"] = record.image->tags;
    body["repo_digests"] = record.image->repo_digests;
    body["used_ns"] = record.used_ns;
    if (!record.indexes.empty()) {
        body["indexes"] = Json::array();
        for (const ImageIndex& index : record.indexes) body["indexes"].push_back(index_body(index));
    }
    return {record.image->id, "", 1, std::move(body)};
}

Result<Record> from_object(const store::Object& object, Json config, const ReadConfig& read) {
    if (!valid_digest(object.id)) return fail(Code::corrupt, "its id is not a digest");
    Image image;
    image.id = object.id;
    Record record;
    std::vector<Json> indexes;
    GANTRY_CHECK(store::Members(object.body)
                     .required("tags", image.tags)
                     .required("repo_digests", image.repo_digests)
                     .optional("used_ns", record.used_ns)
                     .optional("indexes", indexes)
                     .result());
    GANTRY_CHECK(read_image_body(object.body, image, record));
    for (const Json& one : indexes) {
        GANTRY_TRY(ImageIndex index, read_index_body(one, read));
        record.indexes.push_back(std::move(index));
    }
    set_config(image, std::move(config));
    record.image = std::make_shared<const Image>(std::move(image));
    return record;
}

References references_of(const store::Object& object) {
    References needed;
    const Json& body = object.body;
    if (!body.is_object()) return needed;
    add_references(body, object.id, needed);
    for (const Json& index : member<std::vector<Json>>(body, "indexes")) {
        if (!index.is_object()) continue;
        needed.blobs.push_back(member<std::string>(index, "digest"));
        for (const Json& variant : member<std::vector<Json>>(index, "variants"))
            if (variant.is_object()) add_references(variant, member<std::string>(variant, "id"), needed);
    }
    return needed;
}

}  // namespace gantry::image
