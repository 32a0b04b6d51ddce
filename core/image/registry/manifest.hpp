// Manifests and indexes as a registry gives them: hostile documents of which exactly one meaning is accepted.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/image/media_types.hpp"
#include "core/image/registry/platform.hpp"

namespace gantry::image::registry {

inline constexpr int max_index_depth = 4;
inline constexpr std::size_t max_index_nodes = 1000;
inline constexpr std::size_t max_layers = 500;

struct Descriptor {
    std::string media_type, digest;
    std::int64_t size = 0;
    Platform platform = {};     // of an index's entry; os "" where it tells none
    bool attestation = false;   // it speaks about another entry and is no image
    std::string attested = {};  // the digest of the entry that it attests, "" for none
};

struct Manifest {
    std::string digest, media_type, text;
    bool is_index = false;
    Descriptor config;                // of an image
    std::vector<Descriptor> layers;   // of an image, lowest first
    std::vector<Descriptor> entries;  // of an index
};

// `content_type`: what the registry calls it; parameters behind ";" do not count. GANTRY_INVALID naming the digest:
// not JSON of one meaning (strict_json.hpp), its own "mediaType" differs or a Docker document has none, members of both
// an image and an index, schema 1, an artifact that is no image, descriptors without valid digest and size, too many of
// them. GANTRY_UNSUPPORTED: layers that are to be fetched from elsewhere.
Result<Manifest> parse_manifest(std::string text, std::string_view content_type);

// The entries that fit the platform, best first; those that name no platform at the end.
std::vector<Descriptor> choose(const std::vector<Descriptor>& entries, const Platform& wanted);

}  // namespace gantry::image::registry
