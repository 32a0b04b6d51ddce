#include "core/image/registry/manifest.hpp"

#include <algorithm>

#include <gantry/driver.hpp>

#include "core/base/text.hpp"
#include "core/image/attestation.hpp"
#include "core/image/digest.hpp"
#include "core/image/strict_json.hpp"

namespace gantry::image::registry {
namespace {

constexpr std::int64_t largest_blob = std::int64_t{1} << 40;

bool is_foreign_type(std::string_view type) {
    return type.find("foreign") != std::string_view::npos || type.find("nondistributable") != std::string_view::npos;
}

Result<Descriptor> read_descriptor(const Json& json, const std::string& what) {
    if (!json.is_object()) return fail(Code::invalid, what + " is not an object");
    Descriptor descriptor;
    for (auto [key, to] : {std::pair{"mediaType", &descriptor.media_type}, {"digest", &descriptor.digest}}) {
        auto found = json.find(key);
        if (found == json.end() || !found->is_string())
            return fail(Code::invalid, what + ": \"" + key + "\" is not a text");
        *to = found->get<std::string>();
    }
    if (!valid_digest(descriptor.digest))
        return fail(Code::invalid,
                    what + ": " + quote_json(descriptor.digest.substr(0, 200)) + " is not a sha256 digest");
    auto size = json.find("size");
    if (size == json.end() || !size->is_number_integer() ||
        (size->is_number_unsigned() && size->get<std::uint64_t>() > static_cast<std::uint64_t>(largest_blob)) ||
        size->get<std::int64_t>() < 0)
        return fail(Code::invalid, what + ": \"size\" is not a whole number from 0 to " + std::to_string(largest_blob));
    descriptor.size = size->get<std::int64_t>();
    if (auto platform = json.find("platform"); platform != json.end()) {
        if (!platform->is_object()) return fail(Code::invalid, what + ": \"platform\" is not an object");
        descriptor.platform = platform_of(*platform);
    }
    descriptor.attestation = speaks_of_another(json);
    descriptor.attested = attested_by(json);
    return descriptor;
}

Result<void> read_index(const Json& json, const std::string& what, Manifest& manifest) {
    auto entries = json.find("manifests");
    if (entries == json.end() || !entries->is_array())
        return fail(Code::invalid, what + ": \"manifests\" is not a list");
    for (const char* foreign : {"layers", "config", "fsLayers"})
        if (json.contains(foreign))
            return fail(Code::invalid, what + ": has both \"manifests\" and \"" + foreign + "\"");
    if (entries->size() > max_index_nodes)
        return fail(Code::invalid, what + ": more than " + std::to_string(max_index_nodes) + " manifests");
    for (std::size_t i = 0; i < entries->size(); ++i) {
        GANTRY_TRY(auto entry, read_descriptor((*entries)[i], what + ": manifests[" + std::to_string(i) + "]"));
        manifest.entries.push_back(std::move(entry));
    }
    return {};
}

Result<void> read_image(const Json& json, const std::string& what, Manifest& manifest) {
    auto layers = json.find("layers");
    if (layers == json.end() || !layers->is_array()) return fail(Code::invalid, what + ": \"layers\" is not a list");
    if (!json.contains("config")) return fail(Code::invalid, what + ": no \"config\"");
    for (const char* foreign : {"manifests", "fsLayers"})
        if (json.contains(foreign)) return fail(Code::invalid, what + ": has both \"layers\" and \"" + foreign + "\"");
    GANTRY_TRY(manifest.config, read_descriptor(json["config"], what + ": config"));
    if (!media::is_config(manifest.config.media_type))
        return fail(Code::invalid, what + ": is no image, its config is of the type " +
                                       quote_json(manifest.config.media_type.substr(0, 200)));
    if (manifest.config.size > static_cast<std::int64_t>(max_document_bytes))
        return fail(Code::invalid, what + ": a config of more than 4 MiB");
    if (layers->size() > max_layers)
        return fail(Code::invalid, what + ": more than " + std::to_string(max_layers) + " layers");
    for (std::size_t i = 0; i < layers->size(); ++i) {
        const std::string which = what + ": layers[" + std::to_string(i) + "]";
        GANTRY_TRY(auto layer, read_descriptor((*layers)[i], which));
        if (is_foreign_type(layer.media_type))
            return fail(Code::unsupported, which + ": layers that a registry does not hold itself are not supported");
        if (!media::is_layer(layer.media_type))
            return fail(Code::unsupported,
                        which + ": a layer of the type " + quote_json(layer.media_type.substr(0, 200)));
        manifest.layers.push_back(std::move(layer));
    }
    return {};
}

}  // namespace

Result<Manifest> parse_manifest(std::string text, std::string_view content_type) {
    Manifest manifest;
    manifest.digest = digest_of(text);
    const std::string what = "manifest " + manifest.digest;
    const std::string type = to_lower(trim(content_type.substr(0, content_type.find(';'))));
    if (type.find("manifest.v1") != std::string::npos && type.find("docker") != std::string::npos)
        return fail(Code::unsupported, what + ": Docker schema 1, which is out of use");
    if (!media::is_index(type) && !media::is_manifest(type))
        return fail(Code::invalid, what + ": the registry calls it " + quote_json(type.substr(0, 200)) +
                                       ", which is neither an image nor an index");
    GANTRY_TRY(Json json, parse_document(text, what));
    if (!json.is_object()) return fail(Code::invalid, what + ": not an object");
    auto version = json.find("schemaVersion");
    if (version == json.end() || !version->is_number_integer() || *version != 2)
        return fail(Code::invalid, what + ": \"schemaVersion\" is not 2");
    if (auto own = json.find("mediaType"); own != json.end()) {
        if (!own->is_string() || own->get_ref<const std::string&>() != type)
            return fail(Code::invalid,
                        what + ": calls itself " + own->dump().substr(0, 200) + ", the registry " + quote_json(type));
    } else if (type == media::docker_list || type == media::docker_manifest) {
        return fail(Code::invalid, what + ": no \"mediaType\"");
    }
    manifest.media_type = type;
    manifest.is_index = media::is_index(type);
    if (manifest.is_index)
        GANTRY_CHECK(read_index(json, what, manifest));
    else
        GANTRY_CHECK(read_image(json, what, manifest));
    manifest.text = std::move(text);
    return manifest;
}

std::vector<Descriptor> choose(const std::vector<Descriptor>& entries, const Platform& wanted) {
    std::vector<std::pair<int, const Descriptor*>> fitting;
    std::vector<Descriptor> chosen;
    for (const Descriptor& entry : entries) {
        if (entry.attestation || (!media::is_index(entry.media_type) && !media::is_manifest(entry.media_type)))
            continue;
        const int fit = entry.platform.os.empty() ? 0 : fitness(wanted, entry.platform);
        if (fit > 0) fitting.emplace_back(fit, &entry);
    }
    std::stable_sort(fitting.begin(), fitting.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
    for (const auto& [fit, entry] : fitting) chosen.push_back(*entry);
    for (const Descriptor& entry : entries)
        if (!entry.attestation && entry.platform.os.empty() &&
            (media::is_index(entry.media_type) || media::is_manifest(entry.media_type)))
            chosen.push_back(entry);
    return chosen;
}

}  // namespace gantry::image::registry
