// Images whose layers are there already: what a build makes.
#include "core/base/clock.hpp"
#include "core/base/failpoint.hpp"
#include "core/image/archive_plan.hpp"
#include "core/image/image_store_impl.hpp"
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
    for (const Record& record : impl_->catalog.all())
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

Result<std::string> ImageStore::add(const NewImage& wanted) {
    std::vector<std::string> tags;
    for (const std::string& text : wanted.tags) {
        GANTRY_TRY(Reference reference, parse_reference(text));
        if (!reference.digest.empty()) return fail(Code::invalid, "refusing to create a tag with a digest reference");
        tags.push_back(tag_key(reference));
    }
    GANTRY_TRY(Json config, parse_config(wanted.config));
    const std::vector<std::string> diffs = diff_ids_of(config);
    if (diffs.size() != wanted.layer_sizes.size())
        return fail(Code::internal, "an image of " + std::to_string(diffs.size()) + " layers came with sizes of " +
                                        std::to_string(wanted.layer_sizes.size()));
    Impl::Made made(*impl_);
    Image image;
    image.id = digest_of(wanted.config);
    std::string chain;
    for (const std::string& diff : diffs) {
        chain = chain_id(chain, diff);
        made.hold().add(chain);
        GANTRY_TRY(bool there, impl_->unpacker().has(chain));
        if (!there) return fail(Code::internal, "the layer \"" + chain + "\" of a new image is not there");
        image.layers.push_back(chain);
    }
    image.layer_sizes = wanted.layer_sizes;
    for (std::int64_t size : image.layer_sizes) image.size += size;
    image.created_ns = parse_rfc3339(config.value("created", "")).value_or(0);
    image.config = std::move(config);
    GANTRY_CHECK(made.blob(image.id, wanted.config));
    GANTRY_FAILPOINT("image.add.before_record");
    const std::string id = image.id;
    std::vector<LayerBlob> blobs(image.layers.size());
    // A layer of the base keeps the compressed form it came in, so that it can be pushed as it is.
    for (const Record& other : impl_->catalog.all())
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

}  // namespace gantry::image
