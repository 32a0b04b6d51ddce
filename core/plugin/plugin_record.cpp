#include "core/plugin/plugin_record.hpp"

#include "core/base/ids.hpp"
#include "core/image/digest.hpp"
#include "core/plugin/plugin_config.hpp"
#include "core/plugin/plugin_settings.hpp"
#include "core/store/members.hpp"

namespace gantry::plugin {
namespace {

Json blob_json(const Blob& blob) {
    return {{"media_type", blob.media_type}, {"digest", blob.digest}, {"size", blob.size}};
}

Result<Blob> read_blob(const Json& json) {
    Blob blob;
    GANTRY_CHECK(store::Members(json)
                     .required("media_type", blob.media_type)
                     .required("digest", blob.digest)
                     .required("size", blob.size)
                     .result());
    if (!image::valid_digest(blob.digest) || blob.size < 0) return fail(Code::corrupt, "it names no blob");
    return blob;
}

}  // namespace

store::Object to_object(const Plugin& plugin) {
    Json layers = Json::array();
    for (const Blob& layer : plugin.content.layers) layers.push_back(blob_json(layer));
    return {plugin.id, plugin.name, 1,
            Json{{"reference", plugin.reference},
                 {"enabled", plugin.enabled},
                 {"timeout_s", plugin.timeout_s},
                 {"config", plugin.content.config},
                 {"tree", plugin.content.tree},
                 {"document", blob_json(plugin.content.document)},
                 {"layers", std::move(layers)},
                 {"settings", plugin.settings},
                 {"created_ns", plugin.created_ns}}};
}

Result<Plugin> from_object(const store::Object& object) {
    Plugin plugin;
    plugin.id = object.id;
    plugin.name = object.name;
    Json document;
    std::vector<Json> layers;
    Content& content = plugin.content;
    GANTRY_CHECK(store::Members(object.body)
                     .required("reference", plugin.reference)
                     .required("enabled", plugin.enabled)
                     .required("timeout_s", plugin.timeout_s)
                     .object("config", content.config)
                     .required("tree", content.tree)
                     .object("document", document)
                     .required("layers", layers)
                     .object("settings", plugin.settings)
                     .required("created_ns", plugin.created_ns)
                     .result());
    // Both become parts of paths.
    if (plugin.id.size() != 64 || !is_id_prefix(plugin.id)) return fail(Code::corrupt, "its id is none");
    if (content.tree.size() != 64 || !is_id_prefix(content.tree)) return fail(Code::corrupt, "its tree has no name");
    if (plugin.name.empty() || plugin.timeout_s < 0) return fail(Code::corrupt, "it has no name");
    auto again = read_config(content.config.dump());
    if (!again || *again != content.config) return fail(Code::corrupt, "its configuration is not one");
    if (!settings_fit(content.config, plugin.settings))
        return fail(Code::corrupt, "its settings are not those of its configuration");
    GANTRY_TRY(content.document, read_blob(document));
    for (const Json& layer : layers) {
        GANTRY_TRY(Blob blob, read_blob(layer));
        content.layers.push_back(std::move(blob));
    }
    return plugin;
}

Json Plugin::to_api() const {
    return {{"Id", id},
            {"Name", name},
            {"Enabled", enabled},
            {"Settings", settings},
            {"PluginReference", reference},
            {"Config", content.config}};
}

}  // namespace gantry::plugin
