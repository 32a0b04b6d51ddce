#include "core/image/attestation.hpp"

#include <algorithm>

#include <gantry/driver.hpp>

#include "core/base/text.hpp"
#include "core/image/digest.hpp"
#include "core/image/media_types.hpp"
#include "core/image/strict_json.hpp"

namespace gantry::image {
namespace {

const Json* notes_of(const Json& entry) {
    if (!entry.is_object()) return nullptr;
    auto notes = entry.find("annotations");
    return notes == entry.end() || !notes->is_object() ? nullptr : &*notes;
}

Result<LayerBlob> read_blob(const Json& descriptor, const std::string& what) {
    if (!descriptor.is_object()) return fail(Code::invalid, what + " is not an object");
    LayerBlob blob;
    blob.digest = member<std::string>(descriptor, "digest");
    if (!valid_digest(blob.digest))
        return fail(Code::invalid, what + ": " + quote_json(blob.digest.substr(0, 200)) + " is not a sha256 digest");
    auto size = descriptor.find("size");
    if (size == descriptor.end() || !size->is_number_integer() || (!size->is_number_unsigned() && *size < 0))
        return fail(Code::invalid, what + ": \"size\" is not a whole number of bytes");
    if (size->get<std::uint64_t>() > static_cast<std::uint64_t>(max_statement_bytes))
        return fail(Code::exhausted, what + " has " + size->dump() + " bytes, more than the " +
                                         std::to_string(max_statement_bytes) + " of an attestation that are kept");
    blob.size = size->get<std::int64_t>();
    return blob;
}

std::int64_t bytes_of(const Attestation& attestation) {
    std::int64_t bytes = attestation.size;
    for (const LayerBlob& blob : attestation.blobs) bytes += blob.size;
    return bytes;
}

}  // namespace

bool speaks_of_another(const Json& entry) {
    const Json* notes = notes_of(entry);
    return notes != nullptr && notes->contains(media::attestation);
}

std::string attested_by(const Json& entry) {
    const Json* notes = notes_of(entry);
    if (notes == nullptr || member<std::string>(*notes, media::attestation) != media::attestation_manifest) return "";
    if (!media::is_manifest(member<std::string>(entry, "mediaType"))) return "";
    const auto own = member<std::string>(entry, "digest"), image = member<std::string>(*notes, media::attested);
    return valid_digest(own) && valid_digest(image) && own != image ? image : "";
}

Result<AttestationDocument> parse_attestation(std::string_view text, const std::string& digest, std::string_view type,
                                              const std::string& image) {
    const std::string what = "attestation " + digest;
    GANTRY_TRY(Json manifest, parse_document(text, what));
    if (!manifest.is_object() || !manifest.contains("config") || !manifest.contains("layers") ||
        !manifest["layers"].is_array())
        return fail(Code::invalid, what + ": no \"config\" and array \"layers\"");
    for (const char* foreign : {"manifests", "fsLayers"})
        if (manifest.contains(foreign))
            return fail(Code::invalid, what + ": has both \"layers\" and \"" + foreign + "\"");
    if (const auto own = member<std::string>(manifest, "mediaType"); !own.empty() && own != type)
        return fail(Code::invalid, what + ": calls itself " + quote_json(own.substr(0, 200)) + ", the index " +
                                       quote_json(type.substr(0, 200)));
    if (auto subject = manifest.find("subject"); subject != manifest.end() && !subject->is_null()) {
        const auto about = subject->is_object() ? member<std::string>(*subject, "digest") : std::string();
        if (about != image)
            return fail(Code::invalid, what + ": its subject is " + quote_json(about.substr(0, 200)) +
                                           ", but the index says that it is about \"" + image + "\"");
    }
    const Json& layers = manifest["layers"];
    if (layers.size() > max_attestation_layers)
        return fail(Code::exhausted, what + ": " + std::to_string(layers.size()) + " layers, more than the " +
                                         std::to_string(max_attestation_layers) + " that are kept");
    AttestationDocument document;
    auto add = [&](const Json& descriptor, const std::string& which) -> Result<void> {
        GANTRY_TRY(LayerBlob blob, read_blob(descriptor, which));
        for (const LayerBlob& known : document.blobs) {
            if (known.digest != blob.digest) continue;
            if (known.size != blob.size)
                return fail(Code::invalid, which + ": the size of \"" + blob.digest + "\" is told twice, differently");
            return {};
        }
        document.blobs.push_back(std::move(blob));
        return {};
    };
    GANTRY_CHECK(add(manifest["config"], what + ": config"));
    for (std::size_t i = 0; i < layers.size(); ++i) {
        GANTRY_CHECK(add(layers[i], what + ": layers[" + std::to_string(i) + "]"));
        if (member<std::string>(layers[i], "mediaType") == media::in_toto) document.statements.push_back(layers[i]);
    }
    return document;
}

Result<void> fits_beside(const std::vector<Attestation>& kept, const Attestation& more) {
    if (kept.size() >= max_attestations)
        return fail(Code::exhausted,
                    "the image has more than the " + std::to_string(max_attestations) + " attestations that are kept");
    std::int64_t bytes = bytes_of(more);
    for (const Attestation& one : kept) bytes += bytes_of(one);
    if (bytes > max_attested_bytes)
        return fail(Code::exhausted, "the attestations of the image have more than the " +
                                         std::to_string(max_attested_bytes) + " bytes that are kept");
    return {};
}

std::vector<Attestation> joined_attestations(std::vector<Attestation> added, const std::vector<Attestation>& there) {
    for (const Attestation& old : there) {
        const bool again =
            std::any_of(added.begin(), added.end(), [&](const auto& one) { return one.digest == old.digest; });
        if (!again && fits_beside(added, old)) added.push_back(old);
    }
    return added;
}

Json attestation_entry(const Attestation& attestation, const std::string& image) {
    return {{"mediaType", attestation.media_type},
            {"digest", attestation.digest},
            {"size", attestation.size},
            {"annotations", {{media::attestation, media::attestation_manifest}, {media::attested, image}}},
            {"platform", {{"architecture", "unknown"}, {"os", "unknown"}}}};
}

}  // namespace gantry::image
