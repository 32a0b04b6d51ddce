#include "core/build/cache_records.hpp"

#include <map>
#include <set>

#include "core/base/text.hpp"
#include "core/image/digest.hpp"
#include "core/image/media_types.hpp"
#include "core/image/strict_json.hpp"

namespace gantry::build {
namespace {

constexpr int cache_version = 1;
constexpr std::int64_t largest_cache_blob = std::int64_t{1} << 40;
constexpr std::size_t longest_description = 1000;
constexpr std::string_view foreign_cache_type = "application/vnd.buildkit.cacheconfig.v0";

Error bad_cache(const std::string& why) { return fail(Code::invalid, "the build cache is damaged: " + why); }

Result<std::string> text_member(const Json& object, const char* key, const std::string& where) {
    auto found = object.find(key);
    if (found == object.end() || !found->is_string()) return bad_cache(where + ": \"" + key + "\" is not a text");
    return found->get<std::string>();
}

Result<std::int64_t> number_member(const Json& object, const char* key, std::int64_t most, const std::string& where) {
    auto found = object.find(key);
    if (found == object.end() || !found->is_number_unsigned() ||
        found->get<std::uint64_t>() > static_cast<std::uint64_t>(most))
        return bad_cache(where + ": \"" + key + "\" is not a whole number from 0 to " + std::to_string(most));
    return found->get<std::int64_t>();
}

Result<std::string> digest_member(const Json& object, const char* key, const std::string& where) {
    GANTRY_TRY(std::string digest, text_member(object, key, where));
    if (!image::valid_digest(digest))
        return bad_cache(where + ": \"" + key + "\" " + quote_json(digest.substr(0, 100)) + " is not a sha256 digest");
    return digest;
}

Result<CacheBlob> read_blob(const Json& json, const std::string& where) {
    if (!json.is_object()) return bad_cache(where + " is not an object");
    CacheBlob blob;
    GANTRY_TRY(blob.media_type, text_member(json, "mediaType", where));
    GANTRY_TRY(blob.digest, digest_member(json, "digest", where));
    GANTRY_TRY(blob.size, number_member(json, "size", largest_cache_blob, where));
    return blob;
}

Json blob_json(std::string_view type, const std::string& digest, std::int64_t size) {
    return {{"mediaType", type}, {"digest", digest}, {"size", size}};
}

// A list of at most `most` objects.
Result<const Json*> list_member(const Json& object, const char* key, std::size_t most) {
    auto found = object.find(key);
    if (found == object.end() || !found->is_array()) return bad_cache("\"" + std::string(key) + "\" is not a list");
    if (found->size() > most)
        return bad_cache("\"" + std::string(key) + "\" has more than " + std::to_string(most) + " entries");
    for (const Json& item : *found)
        if (!item.is_object()) return bad_cache("an entry of \"" + std::string(key) + "\" is not an object");
    return &*found;
}

std::string type_of(const Json& object) {
    auto found = object.is_object() ? object.find("mediaType") : object.end();
    return object.is_object() && found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

}  // namespace

std::string CacheLayer::key() const { return image::chain_id(parent, diff_id); }

Result<CacheKind> cache_kind_of(std::string_view text) {
    GANTRY_TRY(Json manifest, image::parse_document(text, "the manifest of the cache"));
    const Json config = manifest.is_object() ? manifest.value("config", Json()) : Json();
    const std::string type = type_of(config);
    if (type == cache_config_type) return CacheKind::own;
    bool foreign = type == foreign_cache_type;
    const Json entries = manifest.is_object() ? manifest.value("manifests", Json()) : Json();
    if (entries.is_array())
        for (const Json& entry : entries) foreign = foreign || type_of(entry) == foreign_cache_type;
    if (foreign)
        return fail(Code::unsupported,
                    "it is a cache of BuildKit, which cannot be read: write it anew with --cache-to");
    if (entries.is_array() || image::media::is_config(type)) return CacheKind::image;
    return fail(Code::invalid, "it is neither a build cache nor an image, its config is of the type " +
                                   quote_json(type.substr(0, 100)));
}

Result<CacheManifest> read_cache_manifest(std::string_view text) {
    GANTRY_TRY(Json json, image::parse_document(text, "the manifest of the cache"));
    if (!json.is_object()) return bad_cache("its manifest is not an object");
    GANTRY_TRY(CacheKind kind, cache_kind_of(text));
    if (kind != CacheKind::own) return fail(Code::invalid, "it is an image, not a build cache");
    if (json.value("schemaVersion", Json()) != 2) return bad_cache("\"schemaVersion\" of its manifest is not 2");
    if (json.contains("manifests")) return bad_cache("its manifest is an index, too");
    CacheManifest manifest;
    GANTRY_TRY(manifest.config, read_blob(json["config"], "config"));
    if (manifest.config.size > static_cast<std::int64_t>(image::max_document_bytes))
        return bad_cache("its config has more than 4 MiB");
    GANTRY_TRY(const Json* layers, list_member(json, "layers", most_cache_layers));
    for (const Json& layer : *layers) {
        GANTRY_TRY(CacheBlob blob, read_blob(layer, "a layer of the manifest"));
        if (!blob.media_type.starts_with(image::media::layer))
            return bad_cache("a layer of the type " + quote_json(blob.media_type.substr(0, 100)));
        manifest.layers.push_back(std::move(blob));
    }
    return manifest;
}

Result<CacheDocument> read_cache_config(std::string_view text, const CacheManifest& manifest) {
    GANTRY_TRY(Json json, image::parse_document(text, "the config of the cache"));
    if (!json.is_object()) return bad_cache("its config is not an object");
    const Json version = json.value("version", Json());
    if (version != cache_version)
        return fail(Code::unsupported, "it is of version " + version.dump().substr(0, 20) + ", which is not known");
    std::map<std::string, const CacheBlob*> blobs;
    for (const CacheBlob& blob : manifest.layers) blobs[blob.digest] = &blob;
    CacheDocument document;
    GANTRY_TRY(const Json* layers, list_member(json, "layers", most_cache_layers));
    std::set<std::string> keys;
    for (const Json& item : *layers) {
        const std::string where = "layers[" + std::to_string(document.layers.size()) + "]";
        CacheLayer layer;
        GANTRY_TRY(layer.parent, text_member(item, "parent", where));
        if (!layer.parent.empty()) {
            GANTRY_TRY(layer.parent, digest_member(item, "parent", where));
        }
        GANTRY_TRY(layer.diff_id, digest_member(item, "diff_id", where));
        GANTRY_TRY(layer.size, number_member(item, "size", largest_cache_blob, where));
        GANTRY_TRY(std::string blob, digest_member(item, "blob", where));
        auto found = blobs.find(blob);
        if (found == blobs.end()) return bad_cache(where + ": its blob is not in the manifest");
        layer.blob = *found->second;
        if (!keys.insert(layer.key()).second) return bad_cache(where + " is there twice");
        document.layers.push_back(std::move(layer));
    }
    GANTRY_TRY(const Json* records, list_member(json, "records", most_cache_records));
    for (const Json& item : *records) {
        const std::string where = "records[" + std::to_string(document.records.size()) + "]";
        CacheRecord record;
        GANTRY_TRY(record.key, digest_member(item, "key", where));
        GANTRY_TRY(std::int64_t layer, number_member(item, "layer", largest_cache_blob, where));
        if (static_cast<std::size_t>(layer) >= document.layers.size())
            return bad_cache(where + ": there is no layer " + std::to_string(layer));
        record.layer = static_cast<std::size_t>(layer);
        GANTRY_TRY(record.description, text_member(item, "description", where));
        if (record.description.size() > longest_description) return bad_cache(where + ": a description too long");
        GANTRY_TRY(record.created_ns, number_member(item, "created", INT64_MAX, where));
        document.records.push_back(std::move(record));
    }
    return document;
}

std::string write_cache_config(const CacheDocument& document) {
    Json layers = Json::array(), records = Json::array();
    for (const CacheLayer& layer : document.layers)
        layers.push_back(
            {{"parent", layer.parent}, {"diff_id", layer.diff_id}, {"size", layer.size}, {"blob", layer.blob.digest}});
    for (const CacheRecord& record : document.records)
        records.push_back({{"key", record.key},
                           {"layer", record.layer},
                           // Cut in the middle of a character it would grow when it is written.
                           {"description", record.description.substr(0, longest_description / 3)},
                           {"created", record.created_ns}});
    return Json{{"version", cache_version}, {"layers", layers}, {"records", records}}.dump(
        -1, ' ', false, Json::error_handler_t::replace);
}

std::string write_cache_manifest(const CacheDocument& document, const std::string& config) {
    Json layers = Json::array();
    std::set<std::string> there;
    for (const CacheLayer& layer : document.layers)
        if (there.insert(layer.blob.digest).second)
            layers.push_back(blob_json(layer.blob.media_type, layer.blob.digest, layer.blob.size));
    return Json{
        {"schemaVersion", 2},
        {"mediaType", image::media::manifest},
        {"config", blob_json(cache_config_type, image::digest_of(config), static_cast<std::int64_t>(config.size()))},
        {"layers", layers}}
        .dump();
}

Result<CacheBlob> read_cache_index(std::string_view text) {
    GANTRY_TRY(Json json, image::parse_document(text, "index.json of the cache"));
    if (!json.is_object()) return bad_cache("index.json is not an object");
    GANTRY_TRY(const Json* manifests, list_member(json, "manifests", 100));
    for (const Json& entry : *manifests)
        if (type_of(entry) == foreign_cache_type) GANTRY_CHECK(cache_kind_of(text));
    if (manifests->size() != 1)
        return bad_cache("index.json names " + std::to_string(manifests->size()) + " manifests, not one");
    GANTRY_TRY(CacheBlob blob, read_blob((*manifests)[0], "the manifest in index.json"));
    if (blob.size > static_cast<std::int64_t>(image::max_document_bytes))
        return bad_cache("its manifest has more than 4 MiB");
    return blob;
}

std::string write_cache_index(const std::string& manifest) {
    return Json{{"schemaVersion", 2},
                {"mediaType", image::media::index},
                {"manifests", Json::array({blob_json(image::media::manifest, image::digest_of(manifest),
                                                     static_cast<std::int64_t>(manifest.size()))})}}
        .dump();
}

}  // namespace gantry::build
