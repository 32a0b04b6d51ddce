// Images whose layers are there already: what a build makes.
#include "core/base/clock.hpp"
#include "core/base/failpoint.hpp"
#include "core/image/archive_plan.hpp"
#include "core/image/image_store_impl.hpp"
#include "core/image/media_types.hpp"
#include "core/image/references.hpp"

namespace gantry::image {

struct LayerHold::State {
    explicit State(Pins& pins) : hold(pins) {}
    std::mutex mutex;
    Pins::Hold hold;
};

LayerHold::LayerHold(std::unique_ptr<State> state) : state_(std::move(state)) {}
LayerHold::~LayerHold() = default;

void LayerHold::add(const std::string& key) {
    std::lock_guard lock(state_->mutex);
    state_->hold.add(key);
}

std::shared_ptr<LayerHold> ImageStore::hold_layers() {
    return std::shared_ptr<LayerHold>(new LayerHold(std::make_unique<LayerHold::State>(impl_->pins)));
}

void ImageStore::layers_kept() { impl_->catalog.touch(); }

Result<std::unique_ptr<ByteSource>> ImageStore::open_layer_tar(const std::string& key) {
    for (const Record& record : impl_->catalog.every())
        for (std::size_t i = 0; i < record.image->layers.size() && i < record.blobs.size(); ++i) {
            if (record.image->layers[i] != key || record.blobs[i].digest.empty()) continue;
            if (!impl_->blobs.has(record.blobs[i].digest)) continue;
            GANTRY_TRY(UniqueFd blob, impl_->blobs.open_blob(record.blobs[i].digest));
            return decompressed(source_of(std::move(blob)));
        }
    return std::unique_ptr<ByteSource>();
}

Result<bool> ImageStore::has_layer(const std::string& key) const { return impl_->unpacker().has(key); }

Result<std::int64_t> ImageStore::layer_bytes(const std::string& key) const { return impl_->unpacker().usage(key); }

Result<std::int64_t> ImageStore::add_layer(std::unique_ptr<ByteSource> blob, const std::string& parent,
                                           const std::string& diff_id) {
    Pins::Hold hold(impl_->pins);
    const std::string key = chain_id(parent, diff_id);
    hold.add(key);
    LayerUnpacker unpacker = impl_->unpacker();
    GANTRY_TRY(bool there, unpacker.has(key));
    if (there) return unpacker.usage(key);
    GANTRY_TRY(auto plain, decompressed(std::move(blob)));
    auto unpacked = unpacker.unpack(*plain, parent, diff_id, hold, {});
    if (unpacked) return unpacked->usage_bytes;
    // Someone else may have been quicker.
    if (auto now = unpacker.has(key); now && *now) return unpacker.usage(key);
    return std::move(unpacked).error();
}

namespace {

Result<std::vector<std::string>> tag_keys(const std::vector<std::string>& references) {
    std::vector<std::string> tags;
    for (const std::string& text : references) {
        GANTRY_TRY(Reference reference, parse_reference(text));
        if (!reference.digest.empty()) return fail(Code::invalid, "refusing to create a tag with a digest reference");
        tags.push_back(tag_key(reference));
    }
    return tags;
}

// An image of layers that are there; its config is a blob afterwards.
Result<Image> image_of(ImageStore::Impl& store, ImageStore::Impl::Made& made, const std::string& config_text,
                       const std::vector<std::int64_t>& layer_sizes) {
    GANTRY_TRY(Json config, parse_config(config_text));
    const std::vector<std::string> diffs = diff_ids_of(config);
    if (diffs.size() != layer_sizes.size())
        return fail(Code::internal, "an image of " + std::to_string(diffs.size()) + " layers came with sizes of " +
                                        std::to_string(layer_sizes.size()));
    Image image;
    image.id = digest_of(config_text);
    std::string chain;
    for (const std::string& diff : diffs) {
        chain = chain_id(chain, diff);
        made.hold().add(chain);
        GANTRY_TRY(bool there, store.unpacker().has(chain));
        if (!there) return fail(Code::internal, "the layer \"" + chain + "\" of a new image is not there");
        image.layers.push_back(chain);
    }
    image.layer_sizes = layer_sizes;
    for (std::int64_t size : image.layer_sizes) image.size += size;
    image.created_ns = parse_rfc3339(config.value("created", "")).value_or(0);
    image.config = std::move(config);
    GANTRY_CHECK(made.blob(image.id, config_text));
    return image;
}

Json blob_descriptor(std::string_view type, const std::string& digest, std::size_t size) {
    return {{"mediaType", type}, {"digest", digest}, {"size", size}};
}

}  // namespace

Result<std::string> ImageStore::add(const NewImage& wanted) {
    GANTRY_TRY(std::vector<std::string> tags, tag_keys(wanted.tags));
    Impl::Made made(*impl_);
    GANTRY_TRY(Image image, image_of(*impl_, made, wanted.config, wanted.layer_sizes));
    GANTRY_FAILPOINT("image.add.before_record");
    const std::string id = image.id;
    std::vector<LayerBlob> blobs(image.layers.size());
    // A layer of the base keeps the compressed form it came in, so that it can be pushed as it is.
    for (const Record& other : impl_->catalog.every())
        for (std::size_t i = 0; i < blobs.size() && i < other.image->layers.size(); ++i)
            if (other.image->layers[i] == image.layers[i] && i < other.blobs.size() && blobs[i].digest.empty())
                blobs[i] = other.blobs[i];
    for (const LayerBlob& blob : blobs)
        if (!blob.digest.empty()) made.hold().add(blob.digest);
    for (LayerBlob& blob : blobs)
        if (!blob.digest.empty() && !impl_->blobs.has(blob.digest)) blob = {};
    Record record{std::make_shared<const Image>(std::move(image)), "", std::move(blobs)};
    GANTRY_CHECK(impl_->catalog.add(std::move(record), tags));
    made.keep();
    return id;
}

Result<std::string> ImageStore::add_index(const NewIndex& wanted) {
    GANTRY_TRY(std::vector<std::string> tags, tag_keys(wanted.tags));
    Impl::Made made(*impl_);
    std::vector<Record> records;
    Json manifests = Json::array();
    std::size_t main = 0;
    bool found = false;
    for (const NewIndex::Entry& entry : wanted.entries) {
        GANTRY_TRY(Image image, image_of(*impl_, made, entry.config, entry.layer_sizes));
        if (entry.layers.size() != image.layers.size())
            return fail(Code::internal, "an image of an index came without the blobs of its layers");
        std::vector<LayerBlob> blobs;
        for (const Json& layer : entry.layers) {
            blobs.push_back({layer["digest"].get<std::string>(), layer["size"].get<std::int64_t>()});
            if (!impl_->blobs.has(blobs.back().digest))
                return fail(Code::internal, "the blob \"" + blobs.back().digest + "\" of a new image is not there");
        }
        const std::string manifest = Json{
            {"schemaVersion", 2},
            {"mediaType", media::manifest},
            {"config", blob_descriptor(media::config, image.id, entry.config.size())},
            {"layers", entry.layers}}.dump();
        const std::string digest = digest_of(manifest);
        GANTRY_CHECK(made.blob(digest, manifest));
        Json descriptor = blob_descriptor(media::manifest, digest, manifest.size());
        descriptor["platform"] = entry.platform;
        manifests.push_back(std::move(descriptor));
        if (!found && entry.platform.value("architecture", "") == host_architecture()) {
            found = true;
            main = records.size();
        }
        records.push_back({std::make_shared<const Image>(std::move(image)), digest, std::move(blobs)});
    }
    if (records.empty()) return fail(Code::internal, "an index of no image");
    const std::string text =
        Json{{"schemaVersion", 2}, {"mediaType", media::index}, {"manifests", std::move(manifests)}}.dump();
    ImageIndex index{digest_of(text), std::string(media::index), tags, {}};
    GANTRY_CHECK(made.blob(index.digest, text));
    const std::string digest = index.digest;
    Record record = records[main];
    for (Record& other : records)
        // Two platforms may have come out the same, byte by byte.
        if (other.image->id != record.image->id && !variant_of(index, other.image->id))
            index.variants.push_back(std::move(other));
    record.indexes.push_back(std::move(index));
    GANTRY_FAILPOINT("image.add.before_record");
    GANTRY_CHECK(impl_->catalog.add(std::move(record), tags));
    made.keep();
    return digest;
}

}  // namespace gantry::image
