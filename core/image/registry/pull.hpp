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
        std::string diff_id, key, below;
        LayerProgress::Row* row = nullptr;
        std::optional<Downloads::Place> place = {};
    };
    Result<void> plan(ImageStore::Impl::Made& made);
    void begin_download(Layer& layer);
    Result<void> settle(Layer& layer);
    Result<std::int64_t> ensure_layer(Layer& layer, ImageStore::Impl::Made& made);
    Result<LayerUnpacker::Unpacked> unpack(Layer& layer, Pins::Hold& hold);
    // What to do about an unpacking that failed: nothing for "again".
    Result<void> judge(Layer& layer, const Error& failed);

    Service::Impl& service_;
    const std::shared_ptr<Sources> sources_;
    const std::size_t source_;
    Resolved resolved_;
    const Progress& progress_;
    const Cancelled cancelled_;
    const int side_by_side_;
    LayerProgress rows_;
    std::vector<Layer> layers_;
};

}  // namespace gantry::image::registry
