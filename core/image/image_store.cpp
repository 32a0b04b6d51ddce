#include "core/image/image_store.hpp"

#include <gantry/driver.hpp>

#include "core/base/clock.hpp"
#include "core/base/log.hpp"
#include "core/image/image_store_impl.hpp"
#include "core/image/media_types.hpp"
#include "core/image/references.hpp"
#include "core/image/strict_json.hpp"

namespace gantry::image {

bool Throttle::due() {
    const std::int64_t now = monotonic_ns();
    std::int64_t next = next_ns_.load();
    return now >= next && next_ns_.compare_exchange_strong(next, now + 100'000'000);
}

ImageStore::Impl::Made::~Made() {
    if (kept_) return;
    // Topmost first. What someone else has begun to use meanwhile stays; garbage collection sees to it.
    for (auto key = layers_.rbegin(); key != layers_.rend(); ++key) {
        if (!impl_.pins.begin_delete(*key, 1)) continue;
        if (auto removed = impl_.unpacker().remove(*key); !removed)
            log::warn("a layer could not be removed", {{"layer", *key}, {"reason", removed.error().text}});
        impl_.pins.end_delete(*key);
    }
    for (const std::string& digest : blobs_) {
        if (!impl_.pins.begin_delete(digest, 1)) continue;
        impl_.blobs.erase(digest);
        impl_.pins.end_delete(digest);
    }
}

Result<void> ImageStore::Impl::Made::blob(BlobWriter& file) {
    hold_.add(file.finish());
    const bool fresh = !impl_.blobs.has(file.digest());
    GANTRY_CHECK(impl_.blobs.adopt(file));
    if (fresh) blobs_.push_back(file.digest());
    return {};
}

Result<void> ImageStore::Impl::Made::blob(const std::string& digest, std::string_view bytes) {
    hold_.add(digest);
    if (impl_.blobs.has(digest) && impl_.blobs.read(digest, bytes.size())) return {};
    impl_.blobs.erase(digest);  // damaged: the bytes at hand mend it
    GANTRY_CHECK(impl_.blobs.put(digest, bytes));
    blobs_.push_back(digest);
    return {};
}

Result<void> ImageStore::Impl::Made::file(const std::string& path, int fd, const std::string& digest) {
    hold_.add(digest);
    const bool fresh = !impl_.blobs.has(digest);
    GANTRY_CHECK(impl_.blobs.adopt_file(path, fd, digest));
    if (fresh) blobs_.push_back(digest);
    return {};
}

ImageStore::ImageStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ImageStore::~ImageStore() = default;

Result<std::unique_ptr<ImageStore>> ImageStore::open(std::string root, store::Store& store,
                                                     std::shared_ptr<driver::Driver> layers) {
    GANTRY_TRY(BlobStore blobs, BlobStore::open(root));
    auto impl = std::make_unique<Impl>(store, std::move(layers), std::move(blobs));
    GANTRY_CHECK(impl->catalog.load(impl->blobs));
    return std::unique_ptr<ImageStore>(new ImageStore(std::move(impl)));
}

Result<std::shared_ptr<const Image>> ImageStore::find(std::string_view name_or_id) {
    return impl_->catalog.find(name_or_id);
}

Result<ImageStore::Choices> ImageStore::choices(std::string_view name_or_id) {
    GANTRY_TRY(Catalog::Named named, impl_->catalog.named(name_or_id));
    Choices found{{named.record.image}, ""};
    if (!named.index) return found;
    found.index = named.index->digest;
    for (const Record& variant : named.index->variants) found.images.push_back(variant.image);
    return found;
}

std::map<std::string, std::int64_t> ImageStore::layers_of_variants() const {
    std::map<std::string, std::int64_t> layers;
    for (const Record& record : impl_->catalog.all())
        for (const ImageIndex& index : record.indexes)
            for (const Record& variant : index.variants)
                for (std::size_t i = 0; i < variant.image->layers.size(); ++i)
                    layers[variant.image->layers[i]] = variant.image->layer_sizes[i];
    return layers;
}

std::vector<std::shared_ptr<const Image>> ImageStore::list() {
    std::vector<std::shared_ptr<const Image>> images;
    for (const Record& record : impl_->catalog.all()) images.push_back(record.image);
    std::stable_sort(images.begin(), images.end(),
                     [](const auto& a, const auto& b) { return a->created_ns > b->created_ns; });
    return images;
}

std::optional<ImageStore::Manifest> ImageStore::manifest_of(const std::string& id) {
    const auto record = impl_->catalog.record(id);
    if (!record || record->manifest.empty() || !impl_->blobs.has(record->manifest)) return std::nullopt;
    auto text = impl_->blobs.read(record->manifest, max_document_bytes);
    if (!text) return std::nullopt;
    auto document = parse_document(*text, "manifest " + record->manifest);
    if (!document || !document->is_object()) return std::nullopt;
    const auto bytes = static_cast<std::int64_t>(text->size());
    Manifest manifest{{{"mediaType", member<std::string>(*document, "mediaType", std::string(media::manifest))},
                       {"digest", record->manifest},
                       {"size", bytes}},
                      bytes};
    manifest.content_bytes += member<std::int64_t>(member<Json>(*document, "config", Json::object()), "size");
    for (const LayerBlob& blob : record->blobs)
        if (!blob.digest.empty()) manifest.content_bytes += blob.size;
    return manifest;
}

Result<void> ImageStore::tag(std::string_view source, std::string_view target) {
    GANTRY_TRY(Reference reference, parse_reference(target));
    if (!reference.digest.empty()) return fail(Code::invalid, "refusing to create a tag with a digest reference");
    GANTRY_TRY(Catalog::Named named, impl_->catalog.named(source));
    return impl_->catalog.tag(named.record.image->id, tag_key(reference), named.index ? named.index->digest : "");
}

void ImageStore::mark_used(const std::string& id) { impl_->catalog.mark_used(id, wall_clock_ns()); }

std::int64_t ImageStore::last_used(const std::string& id) const { return impl_->catalog.last_used(id); }

bool ImageStore::has_leftovers() const { return impl_->leftovers; }

std::vector<store::Damage> ImageStore::damage() { return impl_->catalog.damage(); }

}  // namespace gantry::image
