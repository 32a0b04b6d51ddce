// An image as the store keeps it; its config is a blob.
#pragma once
#include "core/image/image_store.hpp"

namespace gantry::image {

inline constexpr std::string_view store_kind = "image";

struct LayerBlob {
    std::string digest;  // of the layer as it came, perhaps compressed
    std::int64_t size = 0;
};

// A manifest that an index had beside the image's own, and that speaks about it (attestation.hpp).
struct Attestation {
    std::string digest, media_type;  // of the manifest, which is a blob
    std::int64_t size = 0;           // of it
    std::vector<LayerBlob> blobs;    // what it names
};

struct Record;

// An index that names an image and others, for further platforms, or an image and its attestations. It is part of the record of one of them, the main one, which
// its names stand for where no platform is asked for; the others live and go with it.
struct ImageIndex {
    std::string digest, media_type;  // of the index's own document, which is a blob
    std::vector<std::string> tags;   // those of the main image's that name the index
    std::vector<Record> variants;    // those of the other images that are here; without tags and indexes of their own
};

// What the engine keeps beside the public part.
struct Record {
    std::shared_ptr<const Image> image;
    std::string manifest;          // blob digest, "" for none
    std::vector<LayerBlob> blobs;  // one a layer; a digest "" where only the unpacked layer is kept
    std::int64_t used_ns = 0;      // when it was last used, as far as it was written down
    std::vector<ImageIndex> indexes = {};
    std::vector<Attestation> attestations = {};  // of the manifest; none without one
};

// The image of an index by its id; nullptr where it is none of the others.
const Record* variant_of(const ImageIndex& index, std::string_view id);

store::Object to_object(const Record& record);
// Gives the config of an image by its id.
using ReadConfig = std::function<Result<Json>(const std::string& id)>;
// Everything but the configs; `read` is asked for those of an index's other images. GANTRY_CORRUPT for what is not such a record,
// whole and of these types.
Result<Record> from_object(const store::Object& object, Json config, const ReadConfig& read = {});

// What an image's record names of layers and blobs, as far as it can be read: also that of a damaged one.
struct References {
    std::vector<std::string> layers, blobs;
};
References references_of(const store::Object& object);

}  // namespace gantry::image
