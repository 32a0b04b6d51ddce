// One image from a registry into the store: its layers fetched side by side, and unpacked while they come.
#pragma once
#include "core/image/registry/layer_progress.hpp"
#include "core/image/registry/remote.hpp"
#include "core/image/registry/service_impl.hpp"

namespace gantry::image::registry {

class ImagePull {
public:
    // `sources` and the one of them that gave the manifest.
    ImagePull(Service::Impl& service, std::shared_ptr<Sources> sources, std::size_t source, Resolved resolved,
              const Progress& progress, Cancelled cancelled, int side_by_side);

    // Stores the image with these tags and this "name@digest". Gives the image's id.
    Result<std::string> run(const std::vector<std::string>& tags, const std::string& repo_digest);

private:
    struct Layer {
        Descriptor blob;
        std::string diff_id, key;
        LayerProgress::Row* row = nullptr;
        bool proven = false;  // unpacked here and now
        std::optional<Downloads::Place> place = {};
    };
    Result<void> plan(ImageStore::Impl::Made& made);
    void begin_download(Layer& layer);
    Result<void> settle(Layer& layer);
    Result<std::unique_ptr<ByteSource>> open(Layer& layer);
    Result<std::vector<LayerOutput>> unpack(ImageStore::Impl::Made& made);
    // That the blob of a layer that was there already is what this layer is packed: an image's manifest may name any.
    Result<void> prove(const Layer& layer);
    // What to do about an unpacking that failed: nothing for "again".
    Result<void> judge(const Error& failed);

    Service::Impl& service_;
    const std::shared_ptr<Sources> sources_;
    const std::size_t source_;
    Resolved resolved_;
    const Progress& progress_;
    const Cancelled cancelled_;
    const int side_by_side_;
    LayerProgress rows_;
    std::vector<Layer> layers_;
    std::atomic<bool> gave_up_ = false;  // a layer has failed: no reader waits for its download any longer
};

}  // namespace gantry::image::registry
