// What the parts of ImageStore share (image_store.cpp, image_load.cpp, image_import.cpp, image_remove.cpp, garbage.cpp).
#pragma once
#include "core/image/blob_store.hpp"
#include "core/image/image_catalog.hpp"
#include "core/image/image_store.hpp"
#include "core/image/layer_set.hpp"
#include "core/image/pins.hpp"

namespace gantry::image {

class EarlyLayers;
struct PlannedImage;

struct ImageStore::Impl {
    store::Store& store;
    std::shared_ptr<driver::Driver> layers;
    BlobStore blobs;
    Catalog catalog;
    Pins pins;
    std::mutex collecting;                // one collect_garbage() at a time
    std::atomic<bool> leftovers = false;  // has_leftovers()

    Impl(store::Store& store_, std::shared_ptr<driver::Driver> layers_, BlobStore blobs_)
        : store(store_), layers(std::move(layers_)), blobs(std::move(blobs_)), catalog(store_) {}

    LayerUnpacker unpacker() const { return LayerUnpacker(*layers); }

    // What a load or import has made and no record shows yet: taken back unless kept.
    class Made {
    public:
        explicit Made(Impl& impl) : impl_(impl), hold_(impl.pins) {}
        Made(const Made&) = delete;
        Made& operator=(const Made&) = delete;
        ~Made();
        Pins::Hold& hold() { return hold_; }
        void layer(std::string key) { layers_.push_back(std::move(key)); }
        // Links a file, or bytes, as a blob.
        Result<void> blob(BlobWriter& file);
        Result<void> blob(const std::string& digest, std::string_view bytes);
        // A file elsewhere, as BlobStore::adopt_file.
        Result<void> file(const std::string& path, int fd, const std::string& digest);
        // Unpacks the layers of an image from the files of its archive, or takes those that are unpacked already.
        Result<std::vector<LayerOutput>> layers(const PlannedImage& image, EarlyLayers& early,
                                                const Progress& progress);
        void keep() { kept_ = true; }

    private:
        Impl& impl_;
        Pins::Hold hold_;
        std::vector<std::string> layers_, blobs_;
        bool kept_ = false;
    };
};

// Gives at most about ten reports a second, from any thread.
class Throttle {
public:
    bool due();

private:
    std::atomic<std::int64_t> next_ns_ = 0;
};

}  // namespace gantry::image
