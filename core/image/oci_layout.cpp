// OCI image layouts (image-spec, image-layout.md), as `skopeo copy ... oci-archive:` and `docker save` write them.
#include <set>

#include <gantry/driver.hpp>

#include "core/base/text.hpp"
#include "core/image/archive_plan.hpp"
#include "core/image/media_types.hpp"
#include "core/image/strict_json.hpp"

namespace gantry::image {
namespace {

constexpr int max_index_depth = 4;
constexpr std::size_t max_index_nodes = 1000;

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
    explicit LayoutReader(Spool& spool) : spool_(spool) {}

    Result<std::vector<PlannedImage>> read() {
        GANTRY_TRY(std::string text, spool_.text("index.json"));
        GANTRY_TRY(Json index, parse_document(text, "index.json"));
        GANTRY_CHECK(check_index(index, "index.json"));
        for (const Json& descriptor : index["manifests"])
            GANTRY_CHECK(descriptor_at(descriptor, tag_of(descriptor), 1));
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

    static bool runs_here(const Json& descriptor) {
        auto platform = descriptor.find("platform");
        if (platform == descriptor.end() || !platform->is_object()) return true;
        return member<std::string>(*platform, "os", "linux") == "linux" &&
               member<std::string>(*platform, "architecture", host_architecture()) == host_architecture();
    }

    Result<void> descriptor_at(const Json& descriptor, const std::string& tag, int depth) {
        if (depth > max_index_depth)
            return fail(Code::invalid, "index.json: indexes nested deeper than " + std::to_string(max_index_depth));
        if (++nodes_ > max_index_nodes)
            return fail(Code::invalid, "index.json: more than " + std::to_string(max_index_nodes) + " manifests");
        if (!descriptor.is_object() || !runs_here(descriptor)) return {};
        const auto type = member<std::string>(descriptor, "mediaType");
        if (!media::is_index(type) && !media::is_manifest(type)) return {};  // something other than an image
        GANTRY_TRY(BlobWriter * file, blob_of(descriptor, "index.json"));
        const std::string digest = file->digest();
        if (media::is_manifest(type)) return manifest(digest, type, tag);
        if (!visited_.insert(digest + " " + tag).second) return {};
        GANTRY_TRY(std::string text, spool_.text("blobs/sha256/" + std::string(hex_of(digest))));
        GANTRY_TRY(Json index, parse_document(text, "index " + digest));
        GANTRY_CHECK(check_index(index, "index " + digest));
        for (const Json& below : index["manifests"]) GANTRY_CHECK(descriptor_at(below, tag, depth + 1));
        return {};
    }

    Result<void> manifest(const std::string& digest, const std::string& told_type, const std::string& tag) {
        for (PlannedImage& known : images_)
            if (known.manifest == digest) {
                if (!tag.empty()) known.tags.push_back(tag);
                return {};
            }
        const std::string what = "manifest " + digest;
        PlannedImage image;
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
            return {};  // an artifact, not an image
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
        if (!tag.empty()) image.tags.push_back(tag);
        images_.push_back(std::move(image));
        return {};
    }

    Spool& spool_;
    std::vector<PlannedImage> images_;
    std::set<std::string> visited_;
    std::size_t nodes_ = 0;
};

}  // namespace

Result<std::vector<PlannedImage>> plan_oci_layout(Spool& spool) { return LayoutReader(spool).read(); }

}  // namespace gantry::image
