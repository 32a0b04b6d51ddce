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
    std::string id, manifest;   // digests
    std::string manifest_type;  // its media type
    std::vector<Json> layers;   // descriptors, lowest first
    std::vector<std::string> diff_ids, tags;
    bool alone = false;  // it is named by itself, not only by an index
    // Of one alone with attestations: an index of it and them, which is made here; the names are its.
    std::string made_index = {};
    std::vector<Attestation> attestations = {};  // those that are kept whole
};

// An image for several platforms.
struct SavedIndex {
    std::string digest, media_type, main;  // main: the id of the image that archives without indexes have in its place
    std::vector<std::string> tags;
};

struct SavePlan {
    std::vector<SavedImage> images;  // by id
    std::vector<SavedIndex> indexes;
    std::map<std::string, SavedBlob> blobs;  // by digest
};

// Where images and their layers are; borrowed.
struct SaveSources {
    const Catalog& catalog;
    const BlobStore& blobs;
    std::shared_ptr<driver::Driver> layers;
};

struct SaveWish {
    std::map<std::string, std::set<std::string>> images;  // ids with the tags to save of each
    struct Index {
        std::string media_type;
        std::vector<std::string> images;  // ids, the main one first
        std::set<std::string> tags;
    };
    std::map<std::string, Index> indexes;  // by digest
};

// What is planned is pinned by `hold`. The original manifest is taken where all it names is kept, else one is made.
// GANTRY_CORRUPT: a layer is not what the image's config says, or an index names a manifest whose layers are not kept.
Result<SavePlan> plan_save(const SaveSources& sources, const SaveWish& wanted, Pins::Hold& hold);

// The bytes of a blob of the plan, plain ones read on the way.
Result<std::unique_ptr<ByteSource>> open_saved(const SaveSources& sources, const SavedBlob& blob);

}  // namespace gantry::image
