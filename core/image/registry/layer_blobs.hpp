// The compressed blobs of layers that are here only unpacked, or as plain tar: made when they are first wanted, and kept.
#pragma once
#include "core/image/registry/service_impl.hpp"

namespace gantry::image::registry {

// The gzip or zstd blob of layer `index` of the image, made where there is none. What is made is always the same for the
// same layer, is pinned by `hold`, and becomes part of the record of every image with this layer that has no manifest of
// its own. GANTRY_CORRUPT: the unpacked layer no longer gives the bytes of its diff id.
Result<LayerBlob> compressed_layer(Service::Impl& service, const std::string& image, std::size_t index,
                                   Pins::Hold& hold, const Cancelled& cancelled);

// The same for a layer that no image need have: the blob as a file without a name, of which nothing is kept. `media_type` is
// OCI's.
struct PackedLayer {
    std::string media_type, digest;
    std::int64_t size = 0;
    UniqueFd file;
};
Result<PackedLayer> packed_layer(ImageStore& images, const std::string& key, const std::string& diff_id,
                                 const Cancelled& cancelled);

// The same, kept as a blob of the store, pinned by `hold`: {"mediaType", "digest", "size"}.
Result<Json> kept_layer(ImageStore& images, const std::string& key, const std::string& diff_id, Pins::Hold& hold,
                        const Cancelled& cancelled);

enum class Compression { none = 1, gzip, zstd, other };
// By the first bytes.
Result<Compression> compression_of(const BlobStore& blobs, const std::string& digest);

}  // namespace gantry::image::registry
