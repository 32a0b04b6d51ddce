// An image as an archive: an OCI layout or a docker-archive, made while it is written.
#include <ctime>

#include "core/build/image_output.hpp"
#include "core/image/digest.hpp"

namespace gantry::build {
namespace {

using Write = std::function<Result<void>(std::string_view)>;
constexpr std::size_t block = 512;

// ustar; the names here are short.
std::string tar_header(const std::string& name, std::int64_t size, char type) {
    std::string header(block, '\0');
    auto put = [&](std::size_t at, std::string_view text) { header.replace(at, text.size(), text); };
    auto octal = [&](std::size_t at, int digits, std::int64_t value) {
        for (int i = digits - 1; i >= 0; --i, value /= 8)
            header[at + static_cast<std::size_t>(i)] = static_cast<char>('0' + value % 8);
    };
    put(0, name);
    octal(100, 7, type == '5' ? 0755 : 0644);
    octal(108, 7, 0);
    octal(116, 7, 0);
    if (size < (std::int64_t{1} << 33)) {
        octal(124, 11, size);
    } else {  // base 256: what octal digits have no room for
        header[124] = static_cast<char>(0x80);
        for (std::size_t i = 0; i < 8; ++i)
            header[128 + i] = static_cast<char>((static_cast<std::uint64_t>(size) >> (8 * (7 - i))) & 0xff);
    }
    octal(136, 11, 0);
    put(148, "        ");
    header[156] = type;
    put(257, std::string_view("ustar\00000", 8));
    int sum = 0;
    for (char c : header) sum += static_cast<unsigned char>(c);
    octal(148, 6, sum);
    header[154] = '\0';
    return header;
}

class TarWriter {
public:
    explicit TarWriter(const Write& write) : write_(write) {}
    Result<void> directory(const std::string& name) { return write_(tar_header(name + "/", 0, '5')); }
    Result<void> file(const std::string& name, std::string_view content) {
        GANTRY_CHECK(begin(name, static_cast<std::int64_t>(content.size())));
        GANTRY_CHECK(write_(content));
        return end(static_cast<std::int64_t>(content.size()));
    }
    Result<void> begin(const std::string& name, std::int64_t size) { return write_(tar_header(name, size, '0')); }
    Result<void> end(std::int64_t size) {
        const std::size_t rest = static_cast<std::size_t>(size) % block;
        return rest == 0 ? Result<void>() : write_(std::string(block - rest, '\0'));
    }
    Result<void> finish() { return write_(std::string(2 * block, '\0')); }

private:
    const Write& write_;
};

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
                                 const std::string& name, TarWriter& tar, const Write& write, const Cancel& cancel) {
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
    TarWriter tar(write);
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
