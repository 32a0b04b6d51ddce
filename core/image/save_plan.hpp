// What an archive of images will hold: every blob with its digest and size, before a byte of it is written.
#pragma once
#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/image/blob_store.hpp"
#include "core/image/byte_source.hpp"
#include "core/image/image_catalog.hpp"
#include "core/image/pins.hpp"

namespace gantry::image {

// Where a blob's bytes come from.
struct SavedBlob {
    enum class From {
        store = 1,  // a blob that is kept
        plain,      // one that is kept, uncompressed on the way
        layer,      // an unpacked layer, written by its driver
        text        // a document made here
    };
    From from = From::text;
    std::string source;  // store, plain: digest; layer: key; text: the text itself
    std::int64_t size = 0;
};

struct SavedImage {
    std::string id, manifest;     // digests
    std::string manifest_type;    // its media type
    std::vector<Json> layers;     // descriptors, lowest first
    std::vector<std::string> diff_ids, tags;
};

struct SavePlan {
    std::vector<SavedImage> images;           // by id
    std::map<std::string, SavedBlob> blobs;  // by digest
};

// Where images and their layers are; borrowed.
struct SaveSources {
    const Catalog& catalog;
    const BlobStore& blobs;
    std::shared_ptr<driver::Driver> layers;
};

// `wanted`: image ids with the tags to save of each. What is planned is pinned by `hold`. The original manifest is
// taken where all it names is kept, else one is made. GANTRY_CORRUPT: a layer is not what the image's config says.
Result<SavePlan> plan_save(const SaveSources& sources, const std::map<std::string, std::set<std::string>>& wanted,
                           Pins::Hold& hold);

// The bytes of a blob of the plan, plain ones read on the way.
Result<std::unique_ptr<ByteSource>> open_saved(const SaveSources& sources, const SavedBlob& blob);

}  // namespace gantry::image
