// What an image archive holds, checked: its images with their configs, layers and names.
#pragma once
#include "core/image/archive_spool.hpp"
#include "core/image/image_record.hpp"
#include "core/image/image_store.hpp"

namespace gantry::image {

struct PlannedLayer {
    BlobWriter* file = nullptr;  // within the spool; possibly compressed
    std::string diff_id;         // what its plain bytes must have
};

struct PlannedAttestation {
    Attestation kept;                // as it will be recorded
    std::string text;                // of its manifest
    std::vector<BlobWriter*> files;  // what that names
};

struct PlannedImage {
    std::string id, config_text;
    Json config;
    std::vector<PlannedLayer> layers;
    std::vector<std::string> tags;  // "name:tag"
    std::string manifest;           // digest of the OCI manifest, "" for a docker-archive
    std::string manifest_text;
    std::vector<PlannedAttestation> attestations = {};
    std::vector<std::string> left_out = {};  // why an attestation that the archive has is not kept, one line each
    // Of an image for several platforms, of which the archive has more than this one, and of one with attestations alone: the
    // index's digest, document and media type, and the others.
    std::string index, index_text, index_type;
    std::vector<PlannedImage> variants = {};
};

// A docker-archive (manifest.json) or an OCI layout (oci-layout, index.json); of an archive that is both the first says
// which images there are and the second what their manifests are, and what other platforms they are for. Of an image for
// several platforms, this machine's, with those others that the archive has whole; without this machine's, the first of
// several. Of platforms that are asked for, what fits them and nothing else; GANTRY_NOT_FOUND where nothing does.
Result<std::vector<PlannedImage>> plan_archive(Spool& spool, const ImageStore::Wanted& platforms = {});

// The two forms. Of a layout there may be no image for this machine.
Result<std::vector<PlannedImage>> plan_docker_archive(Spool& spool);
Result<std::vector<PlannedImage>> plan_oci_layout(Spool& spool, const ImageStore::Wanted& platforms = {});

// The config as an object whose parts have the types that the engine relies on, and its diff ids.
Result<Json> parse_config(std::string_view text);
std::vector<std::string> diff_ids_of(const Json& config);
// "amd64", "arm64", ...: this machine in the words of images.
std::string host_architecture();

}  // namespace gantry::image
