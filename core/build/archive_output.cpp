// An image as an archive: an OCI layout or a docker-archive, made while it is written.
#include <map>
#include <set>

#include "core/build/image_output.hpp"
#include "core/build/plain_tar.hpp"
#include "core/image/digest.hpp"
#include "core/image/media_types.hpp"

namespace gantry::build {
namespace {

namespace media = image::media;
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

class ArchiveWriter {
public:
    ArchiveWriter(Layers& layers, image::ImageStore& images, const Write& write, const Cancel& cancel)
        : layers_(layers), images_(images), write_(write), cancel_(cancel), tar_(write) {}

    Result<std::string> oci(const Archive& archive) {
        GANTRY_CHECK(begin());
        Json manifests = Json::array();
        for (const ArchiveImage& image : archive.images) {
            GANTRY_TRY(Json layers, content(image));
            Json manifest{{"schemaVersion", 2},
                          {"mediaType", media::manifest},
                          {"config", blob_descriptor(media::config, image.config)},
                          {"layers", std::move(layers)}};
            if (!image.annotations.empty()) manifest["annotations"] = image.annotations;
            GANTRY_TRY(Json descriptor, document(media::manifest, manifest));
            if (archive.images.size() > 1) descriptor["platform"] = image.platform;
            manifests.push_back(std::move(descriptor));
        }
        Json named = manifests.front();
        if (archive.images.size() > 1) {
            GANTRY_TRY(named, document(media::index, Json{{"schemaVersion", 2},
                                                          {"mediaType", media::index},
                                                          {"manifests", std::move(manifests)}}));
        }
        Json entries = Json::array();
        for (const std::string& tag : archive.tags) {
            Json entry = named;
            GANTRY_TRY(image::Reference reference, image::parse_reference(tag));
            entry["annotations"] = {{"org.opencontainers.image.ref.name", reference.tag},
                                    {"io.containerd.image.name", reference.text()}};
            entries.push_back(std::move(entry));
        }
        if (entries.empty()) entries.push_back(named);
        GANTRY_CHECK(tar_.file(
            "index.json",
            Json{{"schemaVersion", 2}, {"mediaType", media::index}, {"manifests", std::move(entries)}}.dump()));
        GANTRY_CHECK(tar_.file("oci-layout", R"({"imageLayoutVersion":"1.0.0"})"));
        GANTRY_CHECK(tar_.finish());
        return named["digest"].get<std::string>();
    }

    Result<std::string> docker(const Archive& archive) {
        const ArchiveImage& image = archive.images.front();
        GANTRY_CHECK(begin());
        GANTRY_TRY(Json layers, content(image));
        Json names = Json::array();
        for (const Json& layer : layers) names.push_back(blob_name(layer["digest"]));
        GANTRY_CHECK(tar_.file("manifest.json", Json::array({{{"Config", blob_name(image::digest_of(image.config))},
                                                              {"RepoTags", archive.tags},
                                                              {"Layers", std::move(names)}}})
                                                    .dump()));
        GANTRY_CHECK(tar_.finish());
        return std::string();
    }

private:
    static Json blob_descriptor(std::string_view type, const std::string& text) {
        return {{"mediaType", type}, {"digest", image::digest_of(text)}, {"size", text.size()}};
    }

    Result<void> begin() {
        GANTRY_CHECK(tar_.directory("blobs"));
        return tar_.directory("blobs/sha256");
    }

    Result<void> text(const std::string& bytes) {
        const std::string name = blob_name(image::digest_of(bytes));
        if (!there_.insert(name).second) return {};
        return tar_.file(name, bytes);
    }
    Result<Json> document(std::string_view type, const Json& json) {
        const std::string bytes = json.dump();
        GANTRY_CHECK(text(bytes));
        return blob_descriptor(type, bytes);
    }

    // The blobs of an image; gives the descriptors of its layers.
    Result<Json> content(const ArchiveImage& image) {
        GANTRY_CHECK(text(image.config));
        Json descriptors = Json::array();
        for (const LayerRef& layer : image.layers) {
            const std::string name = blob_name(layer.diff_id);
            if (there_.insert(name).second) {
                GANTRY_TRY(sizes_[name], write_layer(layers_, images_, layer, name, tar_, write_, cancel_));
            }
            descriptors.push_back({{"mediaType", media::layer}, {"digest", layer.diff_id}, {"size", sizes_[name]}});
        }
        return descriptors;
    }

    Layers& layers_;
    image::ImageStore& images_;
    const Write& write_;
    const Cancel& cancel_;
    PlainTar tar_;
    std::set<std::string> there_;
    std::map<std::string, std::int64_t> sizes_;
};

}  // namespace

Result<std::string> write_archive(Layers& layers, image::ImageStore& images, const Archive& archive, const Write& write,
                                  const Cancel& cancel) {
    ArchiveWriter writer(layers, images, write, cancel);
    return archive.form == ArchiveForm::oci ? writer.oci(archive) : writer.docker(archive);
}

}  // namespace gantry::build
