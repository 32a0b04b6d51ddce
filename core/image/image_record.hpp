// An image as the store keeps it; its config is a blob.
#pragma once
#include "core/image/image_store.hpp"

namespace gantry::image {

inline constexpr std::string_view store_kind = "image";

struct LayerBlob {
    std::string digest;  // of the layer as it came, perhaps compressed
    std::int64_t size = 0;
};

// What the engine keeps beside the public part.
struct Record {
    std::shared_ptr<const Image> image;
    std::string manifest;          // blob digest, "" for none
    std::vector<LayerBlob> blobs;  // one a layer; a digest "" where only the unpacked layer is kept
    std::int64_t used_ns = 0;      // when it was last used, as far as it was written down
};

store::Object to_object(const Record& record);
// Everything but the config. GANTRY_CORRUPT for what is not such a record, whole and of these types.
Result<Record> from_object(const store::Object& object, Json config);

// What an image's record names of layers and blobs, as far as it can be read: also that of a damaged one.
struct References {
    std::vector<std::string> layers, blobs;
};
References references_of(const store::Object& object);

}  // namespace gantry::image
