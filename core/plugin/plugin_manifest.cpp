#include "core/plugin/plugin_manifest.hpp"

#include "core/base/text.hpp"
#include "core/image/digest.hpp"
#include "core/image/media_types.hpp"
#include "core/image/strict_json.hpp"
#include "core/plugin/member_reader.hpp"
#include "core/plugin/plugin_config.hpp"

namespace gantry::plugin {
namespace {

constexpr std::size_t most_layers = 127;
constexpr std::int64_t largest_layer = std::int64_t{16} << 30;

Blob read_descriptor(MemberReader reader, std::int64_t largest) {
    Blob blob{reader.text("mediaType"), reader.text("digest"), reader.number("size", largest)};
    if (!image::valid_digest(blob.digest))
        reader.refuse("digest", quote_json(blob.digest), "\"sha256:\" and 64 hex digits");
    if (!reader.words("urls").empty())
        reader.refuse(fail(Code::unsupported, "blobs that are to be fetched from elsewhere are not supported"));
    return blob;
}

Json descriptor(const Blob& blob) {
    return {{"mediaType", blob.media_type}, {"digest", blob.digest}, {"size", blob.size}};
}

}  // namespace

Result<PluginManifest> parse_plugin_manifest(std::string_view text, const std::string& reference) {
    const std::string what = "manifest of " + quote_json(reference);
    GANTRY_TRY(Json document, image::parse_document(text, what));
    if (!document.is_object()) return fail(Code::invalid, what + ": expected an object, found a list");
    MemberProblem problem{most_layers, 4096, {}};
    MemberReader reader(document, "", problem);
    const std::string type = reader.text("mediaType");
    if (reader.has("manifests") || image::media::is_index(type))
        return fail(Code::invalid, quote_json(reference) + " is an index of images and not a plugin");
    if (!type.empty() && !image::media::is_manifest(type))
        reader.refuse("mediaType", quote_json(type), "that of a manifest");
    if (reader.number("schemaVersion", 2) != 2) reader.refuse("schemaVersion", "another", "2");
    PluginManifest manifest;
    if (const std::string of = reader.object("config").text("mediaType"); image::media::is_config(of))
        return fail(Code::invalid, quote_json(reference) + " is an image and not a plugin");
    manifest.config = read_descriptor(reader.object("config"), static_cast<std::int64_t>(most_config_bytes));
    if (manifest.config.media_type != config_type)
        reader.refuse("config.mediaType", quote_json(manifest.config.media_type), config_type);
    (void)reader.list("layers", [&](MemberReader layer) {
        Blob blob = read_descriptor(layer, largest_layer);
        if (!image::media::is_layer(blob.media_type))
            layer.refuse("mediaType", quote_json(blob.media_type), "that of a layer");
        manifest.layers.push_back(std::move(blob));
        return Json();
    });
    if (problem.first) return std::move(*problem.first).context(what);
    if (manifest.layers.empty()) return fail(Code::invalid, what + ": it has no layers");
    return manifest;
}

std::string plugin_manifest(const Blob& config, const std::vector<Blob>& layers) {
    Json list = Json::array();
    for (const Blob& layer : layers) list.push_back(descriptor(layer));
    return Json{{"schemaVersion", 2},
                {"mediaType", image::media::docker_manifest},
                {"config", descriptor(config)},
                {"layers", std::move(list)}}
        .dump(3);
}

}  // namespace gantry::plugin
