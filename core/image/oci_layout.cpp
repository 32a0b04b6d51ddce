// OCI image layouts (image-spec, image-layout.md), as `skopeo copy ... oci-archive:` and `docker save` write them.
#include <set>

#include <gantry/driver.hpp>

#include "core/base/text.hpp"
#include "core/image/archive_plan.hpp"
#include "core/image/attestation.hpp"
#include "core/image/media_types.hpp"
#include "core/image/strict_json.hpp"

namespace gantry::image {
namespace {

constexpr int max_index_depth = 4;
constexpr std::size_t max_index_nodes = 1000, max_index_images = 100;

// A reference only where it says a repository: a bare "latest" names nothing that could be found again.
std::string tag_of(const Json& descriptor) {
    auto annotations = descriptor.find("annotations");
    if (annotations == descriptor.end() || !annotations->is_object()) return "";
    std::string name = member<std::string>(*annotations, "io.containerd.image.name");
    if (name.empty()) {
        name = member<std::string>(*annotations, "org.opencontainers.image.ref.name");
        if (name.find_first_of(":/") == std::string::npos) return "";
    }
    auto reference = parse_reference(name);
    return reference && !reference->tag.empty() ? reference->name + ":" + reference->tag : "";
}

class LayoutReader {
public:
    LayoutReader(Spool& spool, const ImageStore::Wanted& wanted) : spool_(spool), wanted_(wanted) {}

    Result<std::vector<PlannedImage>> read() {
        GANTRY_TRY(std::string text, spool_.text("index.json"));
        GANTRY_TRY(Json index, parse_document(text, "index.json"));
        GANTRY_CHECK(check_index(index, "index.json"));
        GANTRY_CHECK(note_attestations(index));
        for (const Json& descriptor : index["manifests"])
            GANTRY_CHECK(descriptor_at(descriptor, tag_of(descriptor), 1));
        for (PlannedImage& image : images_) {
            GANTRY_CHECK(take_attestations(attestations_, image));
            for (PlannedImage& variant : image.variants) GANTRY_CHECK(take_attestations(attestations_, variant));
        }
        return std::move(images_);
    }

private:
    static Result<void> check_index(const Json& index, const std::string& what) {
        if (!index.is_object() || !index.contains("manifests") || !index["manifests"].is_array())
            return fail(Code::invalid, what + ": no array \"manifests\"");
        for (const char* foreign : {"layers", "config", "fsLayers"})
            if (index.contains(foreign))
                return fail(Code::invalid, what + ": has both \"manifests\" and \"" + foreign + "\"");
        const auto type = member<std::string>(index, "mediaType");
        if (!type.empty() && !media::is_index(type))
            return fail(Code::invalid, what + ": calls itself " + quote_json(type));
        if (index["manifests"].size() > max_index_nodes)
            return fail(Code::invalid, what + ": more than " + std::to_string(max_index_nodes) + " manifests");
        return {};
    }

    // The blob a descriptor names, with its digest and size as told.
    Result<BlobWriter*> blob_of(const Json& descriptor, const char* what) {
        if (!descriptor.is_object()) return fail(Code::invalid, std::string(what) + ": a descriptor is not an object");
        const auto digest = member<std::string>(descriptor, "digest");
        if (!valid_digest(digest))
            return fail(Code::invalid, std::string(what) + ": " + quote_json(digest) + " is not a sha256 digest");
        BlobWriter* file = spool_.find("blobs/sha256/" + std::string(hex_of(digest)));
        if (file == nullptr) return fail(Code::invalid, "the image archive has no blob \"" + digest + "\"");
        if (file->digest() != digest)
            return fail(Code::invalid, "blob \"" + digest + "\" has the digest \"" + file->digest() + "\"");
        if (auto size = descriptor.find("size");
            size != descriptor.end() && (!size->is_number_integer() || *size != file->size()))
            return fail(Code::invalid,
                        "blob \"" + digest + "\" has " + std::to_string(file->size()) + " bytes, not " + size->dump());
        return file;
    }

    // Or is what was asked for.
    bool runs_here(const Json& descriptor) const {
        auto platform = descriptor.find("platform");
        if (platform == descriptor.end() || !platform->is_object()) return true;
        if (wanted_.fits) return wanted_.fits(*platform);
        return member<std::string>(*platform, "os", "linux") == "linux" &&
               member<std::string>(*platform, "architecture", host_architecture()) == host_architecture();
    }

    Result<void> descriptor_at(const Json& descriptor, const std::string& tag, int depth) {
        if (depth > max_index_depth)
            return fail(Code::invalid, "index.json: indexes nested deeper than " + std::to_string(max_index_depth));
        if (++nodes_ > max_index_nodes)
            return fail(Code::invalid, "index.json: more than " + std::to_string(max_index_nodes) + " manifests");
        if (!descriptor.is_object() || !runs_here(descriptor) || speaks_of_another(descriptor)) return {};
        const auto type = member<std::string>(descriptor, "mediaType");
        if (!media::is_index(type) && !media::is_manifest(type)) return {};  // something other than an image
        GANTRY_TRY(BlobWriter * file, blob_of(descriptor, "index.json"));
        const std::string digest = file->digest();
        if (media::is_manifest(type)) return manifest(digest, type, tag);
        if (!visited_.insert(digest + " " + tag).second) return {};
        GANTRY_TRY(std::string text, spool_.text("blobs/sha256/" + std::string(hex_of(digest))));
        GANTRY_TRY(Json index, parse_document(text, "index " + digest));
        GANTRY_CHECK(check_index(index, "index " + digest));
        GANTRY_CHECK(note_attestations(index));
        if (depth == 1) {
            GANTRY_TRY(bool whole, several_platforms(digest, type, index, text, tag));
            if (whole) return {};
        }
        for (const Json& below : index["manifests"]) GANTRY_CHECK(descriptor_at(below, tag, depth + 1));
        return {};
    }

    // An index of which the archive has several images, or one with all attestations and nothing else, taken as what it is. False:
    // it is no such index.
    Result<bool> several_platforms(const std::string& digest, const std::string& type, const Json& index,
                                   const std::string& text, const std::string& tag) {
        for (PlannedImage& known : images_)
            if (known.index == digest) {
                if (!tag.empty()) known.tags.push_back(tag);
                return true;
            }
        std::vector<PlannedImage> found;
        std::size_t main = 0;
        bool own = false;
        for (const Json& entry : index["manifests"]) {
            if (!entry.is_object() || !media::is_manifest(member<std::string>(entry, "mediaType"))) continue;
            if (speaks_of_another(entry) || !for_linux(entry)) continue;
            const auto of_entry = member<std::string>(entry, "digest");
            if (std::any_of(found.begin(), found.end(), [&](const auto& one) { return one.manifest == of_entry; }))
                continue;
            const bool here = runs_here(entry);
            // Archives often have some of the platforms only; of this machine's, what is missing is told.
            if (!here && (wanted_.fits || !has_whole(of_entry))) continue;
            GANTRY_TRY(BlobWriter * file, blob_of(entry, "index.json"));
            PlannedImage image;
            GANTRY_TRY(bool is_image, read_manifest(file->digest(), member<std::string>(entry, "mediaType"), image));
            if (!is_image ||
                std::any_of(found.begin(), found.end(), [&](const auto& one) { return one.id == image.id; }))
                continue;
            if (found.size() >= max_index_images)
                return fail(Code::invalid,
                            "index " + digest + ": more than " + std::to_string(max_index_images) + " images");
            if (here && !own) {
                own = true;
                main = found.size();
            }
            found.push_back(std::move(image));
        }
        if (found.empty()) return false;
        for (PlannedImage& one : found) GANTRY_CHECK(take_attestations(index["manifests"], one));
        if (found.size() < 2 && !is_attested_whole(index, found.front())) return false;
        PlannedImage image = std::move(found[main]);
        found.erase(found.begin() + static_cast<std::ptrdiff_t>(main));
        image.index = digest;
        image.index_text = text;
        image.index_type = type;
        image.variants = std::move(found);
        if (!tag.empty()) image.tags.push_back(tag);
        images_.push_back(std::move(image));
        return true;
    }

    static bool for_linux(const Json& descriptor) {
        auto platform = descriptor.find("platform");
        return platform == descriptor.end() || !platform->is_object() ||
               member<std::string>(*platform, "os", "linux") == "linux";
    }
    // Whether the archive has the manifest of that digest and all that it names.
    bool has_whole(const std::string& digest) {
        auto there = [&](const std::string& of) {
            return valid_digest(of) && spool_.find("blobs/sha256/" + std::string(hex_of(of))) != nullptr;
        };
        if (!there(digest)) return false;
        auto text = spool_.text("blobs/sha256/" + std::string(hex_of(digest)));
        const Json manifest = text ? Json::parse(*text, nullptr, false) : Json();
        if (!manifest.is_object()) return true;  // what is wrong with it is told when it is read
        if (!there(member<std::string>(member<Json>(manifest, "config", Json::object()), "digest"))) return false;
        for (const Json& layer : member<std::vector<Json>>(manifest, "layers"))
            if (!layer.is_object() || !there(member<std::string>(layer, "digest"))) return false;
        return true;
    }

    Result<void> note_attestations(const Json& index) {
        for (const Json& entry : index["manifests"])
            if (!attested_by(entry).empty()) attestations_.push_back(entry);
        if (attestations_.size() <= max_index_nodes) return {};
        return fail(Code::invalid, "index.json: more than " + std::to_string(max_index_nodes) + " attestations");
    }

    // Those of an image that the archive has. One that is beyond the bounds is left out, one that is not what it says refused.
    Result<void> take_attestations(const Json& entries, PlannedImage& image) {
        std::vector<Attestation> kept;
        for (const PlannedAttestation& one : image.attestations) kept.push_back(one.kept);
        for (const Json& entry : entries) {
            if (attested_by(entry) != image.manifest) continue;
            const auto digest = member<std::string>(entry, "digest");
            if (std::any_of(kept.begin(), kept.end(), [&](const auto& one) { return one.digest == digest; })) continue;
            if (!has_whole(digest)) continue;
            GANTRY_TRY(BlobWriter * file, blob_of(entry, "index.json"));
            auto taken = read_attestation(entry, *file, image.manifest);
            if (taken)
                if (auto fits = fits_beside(kept, taken->kept); !fits) taken = fits.error();
            if (taken) {
                kept.push_back(taken->kept);
                image.attestations.push_back(std::move(*taken));
            } else if (taken.error().code != Code::exhausted) {
                return std::move(taken).error();
            } else if (std::find(image.left_out.begin(), image.left_out.end(), taken.error().text) ==
                       image.left_out.end()) {
                image.left_out.push_back(taken.error().text);
            }
        }
        return {};
    }

    Result<PlannedAttestation> read_attestation(const Json& entry, BlobWriter& file, const std::string& image) {
        PlannedAttestation taken;
        taken.kept = {file.digest(), member<std::string>(entry, "mediaType"), file.size(), {}};
        const std::string what = "attestation " + taken.kept.digest;
        GANTRY_TRY(taken.text, spool_.text("blobs/sha256/" + std::string(hex_of(taken.kept.digest))));
        GANTRY_TRY(auto document, parse_attestation(taken.text, taken.kept.digest, taken.kept.media_type, image));
        taken.kept.blobs = std::move(document.blobs);
        for (const LayerBlob& blob : taken.kept.blobs) {
            GANTRY_TRY(BlobWriter * part, blob_of({{"digest", blob.digest}, {"size", blob.size}}, what.c_str()));
            taken.files.push_back(part);
        }
        return taken;
    }

    // Whether the index names the image and attestations of it that are all taken, one at least, and nothing else.
    static bool is_attested_whole(const Json& index, const PlannedImage& image) {
        const auto& taken = image.attestations;
        return !taken.empty() &&
               std::all_of(index["manifests"].begin(), index["manifests"].end(), [&](const Json& entry) {
                   if (!entry.is_object()) return false;
                   const auto digest = member<std::string>(entry, "digest");
                   return digest == image.manifest || std::any_of(taken.begin(), taken.end(), [&](const auto& one) {
                              return one.kept.digest == digest;
                          });
               });
    }

    Result<void> manifest(const std::string& digest, const std::string& told_type, const std::string& tag) {
        for (PlannedImage& known : images_)
            if (known.manifest == digest && known.index.empty()) {
                if (!tag.empty()) known.tags.push_back(tag);
                return {};
            }
        PlannedImage image;
        GANTRY_TRY(bool is_image, read_manifest(digest, told_type, image));
        if (!is_image) return {};
        if (!tag.empty()) image.tags.push_back(tag);
        images_.push_back(std::move(image));
        return {};
    }

    // False: an artifact, not an image.
    Result<bool> read_manifest(const std::string& digest, const std::string& told_type, PlannedImage& image) {
        const std::string what = "manifest " + digest;
        image.manifest = digest;
        GANTRY_TRY(image.manifest_text, spool_.text("blobs/sha256/" + std::string(hex_of(digest))));
        GANTRY_TRY(Json manifest, parse_document(image.manifest_text, what));
        if (!manifest.is_object() || !manifest.contains("config") || !manifest.contains("layers") ||
            !manifest["layers"].is_array())
            return fail(Code::invalid, what + ": no \"config\" and array \"layers\"");
        for (const char* foreign : {"manifests", "fsLayers"})
            if (manifest.contains(foreign))
                return fail(Code::invalid, what + ": has both \"layers\" and \"" + foreign + "\"");
        const auto own_type = member<std::string>(manifest, "mediaType");
        if (!own_type.empty() && own_type != told_type)
            return fail(Code::invalid,
                        what + ": calls itself " + quote_json(own_type) + ", the index " + quote_json(told_type));
        if (const auto config_type = member<std::string>(manifest["config"], "mediaType");
            !media::is_config(config_type))
            return false;
        GANTRY_TRY(BlobWriter * config, blob_of(manifest["config"], what.c_str()));
        image.id = config->digest();
        GANTRY_TRY(image.config_text, spool_.text("blobs/sha256/" + std::string(hex_of(image.id))));
        GANTRY_TRY(image.config, parse_config(image.config_text));
        const auto diff_ids = diff_ids_of(image.config);
        const Json& layers = manifest["layers"];
        if (layers.size() != diff_ids.size())
            return fail(Code::invalid, what + ": " + std::to_string(layers.size()) + " layers, but the config lists " +
                                           std::to_string(diff_ids.size()));
        for (std::size_t i = 0; i < diff_ids.size(); ++i) {
            GANTRY_TRY(BlobWriter * file, blob_of(layers[i], what.c_str()));
            image.layers.push_back({file, diff_ids[i]});
        }
        return true;
    }

    Spool& spool_;
    const ImageStore::Wanted& wanted_;
    std::vector<PlannedImage> images_;
    std::set<std::string> visited_;
    Json attestations_ = Json::array();  // entries of indexes
    std::size_t nodes_ = 0;
};

}  // namespace

Result<std::vector<PlannedImage>> plan_oci_layout(Spool& spool, const ImageStore::Wanted& platforms) {
    return LayoutReader(spool, platforms).read();
}

}  // namespace gantry::image
