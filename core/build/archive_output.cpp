// An image as an archive: an OCI layout or a docker-archive, made while it is written.
#include "core/build/image_output.hpp"
#include "core/build/plain_tar.hpp"
#include "core/image/digest.hpp"

namespace gantry::build {
namespace {

using Write = std::function<Result<void>(std::string_view)>;

std::string blob_name(const std::string& digest) { return "blobs/sha256/" + std::string(image::hex_of(digest)); }

// A layer of an image that was loaded is what it came in: its files packed anew would be other bytes.
Result<void> read_layer(Layers& layers, image::ImageStore& images, const LayerRef& layer, const Write& take) {
    GANTRY_TRY(auto tar, images.open_layer_tar(layer.key));
    if (!tar) return layers.read_diff(layer.key, take);
    std::vector<char> buffer(256u << 10);
    for (;;) {
        GANTRY_TRY(std::size_t n, tar->read(buffer.data(), buffer.size()));
        if (n == 0) return {};
        GANTRY_CHECK(take({buffer.data(), n}));
    }
}

// A layer's bytes behind the header that needs their number, so they are made twice and kept nowhere.
Result<std::int64_t> write_layer(Layers& layers, image::ImageStore& images, const LayerRef& layer,
                                 const std::string& name, PlainTar& tar, const Write& write, const Cancel& cancel) {
    std::int64_t size = 0, written = 0;
    auto count = [&](std::string_view bytes) -> Result<void> {
        size += static_cast<std::int64_t>(bytes.size());
        return cancel.check();
    };
    GANTRY_CHECK(read_layer(layers, images, layer, count));
    GANTRY_CHECK(tar.begin(name, size));
    image::Sha256 hash;
    auto copy = [&](std::string_view bytes) -> Result<void> {
        if (auto go_on = cancel.check(); !go_on) return go_on;
        hash.update(bytes);
        written += static_cast<std::int64_t>(bytes.size());
        return write(bytes);
    };
    GANTRY_CHECK(read_layer(layers, images, layer, copy));
    if (hash.finish() != layer.diff_id || written != size)
        return fail(Code::corrupt, "the layer \"" + layer.key + "\" no longer has the content that it was made with");
    GANTRY_CHECK(tar.end(size));
    return size;
}

}  // namespace

Result<std::string> write_archive(Layers& layers, image::ImageStore& images, ArchiveForm form,
                                  const ArchiveImage& image, const Write& write, const Cancel& cancel) {
    PlainTar tar(write);
    GANTRY_CHECK(tar.directory("blobs"));
    GANTRY_CHECK(tar.directory("blobs/sha256"));
    const std::string id = image::digest_of(image.config);
    GANTRY_CHECK(tar.file(blob_name(id), image.config));
    Json descriptors = Json::array(), names = Json::array();
    std::set<std::string> there;
    std::map<std::string, std::int64_t> sizes;
    for (const LayerRef& layer : image.layers) {
        const std::string name = blob_name(layer.diff_id);
        if (there.insert(name).second) {
            GANTRY_TRY(sizes[name], write_layer(layers, images, layer, name, tar, write, cancel));
        }
        names.push_back(name);
        descriptors.push_back({{"mediaType", "application/vnd.oci.image.layer.v1.tar"},
                               {"digest", layer.diff_id},
                               {"size", sizes[name]}});
    }
    if (form == ArchiveForm::docker) {
        GANTRY_CHECK(
            tar.file("manifest.json",
                     Json::array({{{"Config", blob_name(id)}, {"RepoTags", image.tags}, {"Layers", names}}}).dump()));
        GANTRY_CHECK(tar.finish());
        return std::string();
    }
    Json manifest{
        {"schemaVersion", 2},
        {"mediaType", "application/vnd.oci.image.manifest.v1+json"},
        {"config",
         {{"mediaType", "application/vnd.oci.image.config.v1+json"}, {"digest", id}, {"size", image.config.size()}}},
        {"layers", descriptors}};
    if (!image.annotations.empty()) manifest["annotations"] = image.annotations;
    const std::string text = manifest.dump();
    const std::string digest = image::digest_of(text);
    GANTRY_CHECK(tar.file(blob_name(digest), text));
    Json manifests = Json::array();
    const Json descriptor{
        {"mediaType", "application/vnd.oci.image.manifest.v1+json"}, {"digest", digest}, {"size", text.size()}};
    for (const std::string& tag : image.tags) {
        Json named = descriptor;
        GANTRY_TRY(image::Reference reference, image::parse_reference(tag));
        named["annotations"] = {{"org.opencontainers.image.ref.name", reference.tag},
                                {"io.containerd.image.name", reference.text()}};
        manifests.push_back(named);
    }
    if (manifests.empty()) manifests.push_back(descriptor);
    GANTRY_CHECK(tar.file(
        "index.json",
        Json{{"schemaVersion", 2}, {"mediaType", "application/vnd.oci.image.index.v1+json"}, {"manifests", manifests}}
            .dump()));
    GANTRY_CHECK(tar.file("oci-layout", R"({"imageLayoutVersion":"1.0.0"})"));
    GANTRY_CHECK(tar.finish());
    return digest;
}

}  // namespace gantry::build
