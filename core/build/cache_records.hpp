// A build cache outside of the engine: an OCI manifest whose config, of a media type of its own, tells which steps made which
// layers. Plain data, read from an untrusted place and written.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <gantry/result.hpp>

namespace gantry::build {

inline constexpr std::string_view cache_config_type = "application/vnd.gantry.build.cache.v1+json";
inline constexpr std::size_t most_cache_layers = 2000, most_cache_records = 20'000;

struct CacheBlob {
    std::string media_type, digest;
    std::int64_t size = 0;
};

struct CacheLayer {
    std::string parent;  // chain id of the layer below, "" for none: another of these, or one of a base image
    std::string diff_id;
    std::int64_t size = 0;  // unpacked
    CacheBlob blob;
    std::string key() const;  // its chain id
};

struct CacheRecord {
    std::string key;        // of key.hpp
    std::size_t layer = 0;  // in CacheDocument::layers
    std::string description;
    std::int64_t created_ns = 0;
};

struct CacheDocument {
    std::vector<CacheLayer> layers;
    std::vector<CacheRecord> records;
};

struct CacheManifest {
    CacheBlob config;
    std::vector<CacheBlob> layers;
};

enum class CacheKind { own = 1, image };
// What a manifest is of: such a cache, or an image (also an index), which may tell of its steps inline. GANTRY_UNSUPPORTED: the
// cache of another builder; GANTRY_INVALID: none of these, or not JSON of one meaning.
Result<CacheKind> cache_kind_of(std::string_view manifest);

// GANTRY_INVALID: in one line, what is wrong.
Result<CacheManifest> read_cache_manifest(std::string_view text);
// The config of that manifest, of which each layer is one of its blobs.
Result<CacheDocument> read_cache_config(std::string_view text, const CacheManifest& manifest);

// Both always the same for the same document.
std::string write_cache_config(const CacheDocument& document);
std::string write_cache_manifest(const CacheDocument& document, const std::string& config);

// The digest of the one cache in an OCI layout's index.json, with its size.
Result<CacheBlob> read_cache_index(std::string_view text);
std::string write_cache_index(const std::string& manifest);

}  // namespace gantry::build
