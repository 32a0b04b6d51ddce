#include "core/build/outputs.hpp"

#include <algorithm>

#include "core/base/clock.hpp"
#include "core/base/text.hpp"
#include "core/build/extra_step.hpp"
#include "core/image/archive_plan.hpp"
#include "core/image/digest.hpp"
#include "core/image/image_store_impl.hpp"
#include "core/image/registry/layer_blobs.hpp"

namespace gantry::build {
namespace {

// Which steps made which layers, for who builds on this image elsewhere.
Json inline_cache_of(const Finished& finished, BuildWorker& worker) {
    Json entries = Json::array();
    const auto& steps = finished.target.layer_steps;
    const auto& layers = finished.result.layers;
    if (steps.size() > layers.size()) return entries;
    const std::size_t first = layers.size() - steps.size();
    for (std::size_t i = 0; i < steps.size(); ++i)
        for (const std::string& key : worker.keys_of(steps[i])) entries.push_back({{"key", key}, {"layer", first + i}});
    return entries;
}

std::vector<std::string> platforms_of(const std::vector<Finished>& finished) {
    std::vector<std::string> platforms;
    for (const Finished& one : finished) platforms.push_back(one.target.platform.text());
    return platforms;
}

class OutputWriter {
public:
    OutputWriter(image::ImageStore& images, const std::vector<Finished>& finished, const BuildRequest& request,
                 BuildWorker& worker, Client& client, Listener& listener, Cancel& cancel)
        : images_(images),
          finished_(finished),
          request_(request),
          worker_(worker),
          client_(client),
          listener_(listener),
          cancel_(cancel) {}

    Result<Built> run() {
        GANTRY_CHECK(make_configs());
        std::vector<Output> outputs = request_.outputs;
        if (outputs.empty()) outputs.push_back({"image", {}});
        for (std::size_t i = 0; i < outputs.size(); ++i) {
            GANTRY_CHECK(cancel_.check());
            const Output& output = outputs[i];
            if (output.type == "image") {
                GANTRY_CHECK(several() ? index(tags_of(output)) : image(tags_of(output)));
                continue;
            }
            if (built_.id.empty() && !several()) built_.id = image::digest_of(configs_.front());
            auto write = [&](std::string_view bytes) { return client_.output(i, bytes, false); };
            if (output.type == "local" || output.type == "tar")
                GANTRY_CHECK(files(write));
            else
                GANTRY_CHECK(archive(output, write));
            GANTRY_CHECK(client_.output(i, {}, true));
        }
        return std::move(built_);
    }

private:
    using Write = std::function<Result<void>(std::string_view)>;
    bool several() const { return finished_.size() > 1; }

    std::vector<std::string> tags_of(const Output& output) const {
        auto name = output.attributes.find("name");
        if (name == output.attributes.end() || name->second.empty()) return request_.tags;
        std::vector<std::string> tags;
        for (std::string_view tag : split(name->second, ',')) tags.emplace_back(trim(tag));
        return tags;
    }

    Result<void> make_configs() {
        const std::int64_t epoch = request_.steps.epoch;
        const std::int64_t newest = worker_.newest_ns() > 0 ? worker_.newest_ns() : wall_clock_ns();
        for (const Finished& one : finished_) {
            if (one.result.tree) return fail(Code::internal, "the target is a source, not an image");
            GANTRY_TRY(std::string config,
                       image_config(one.target, one.result.layers, epoch >= 0 ? epoch * 1'000'000'000 : newest));
            if (request_.inline_cache) {
                Json document = Json::parse(config);
                document[inline_cache_key] = inline_cache_of(one, worker_);
                config = document.dump(-1, ' ', false, Json::error_handler_t::replace);
            }
            configs_.push_back(std::move(config));
        }
        return {};
    }

    std::vector<std::int64_t> sizes_of(const Finished& one) {
        std::vector<std::int64_t> sizes;
        for (const LayerRef& layer : one.result.layers) sizes.push_back(worker_.size_of(layer));
        return sizes;
    }

    Result<void> image(const std::vector<std::string>& tags) {
        const Finished& one = finished_.front();
        GANTRY_CHECK(worker_.layers().need(one.result.top()));
        GANTRY_TRY(built_.id, images_.add({configs_.front(), sizes_of(one), tags}));
        built_.tags = tags;
        return {};
    }

    // An index names manifests, and these compressed layers: they are made now, so that a push sends what has this digest.
    Result<void> index(const std::vector<std::string>& tags) {
        ExtraStep step(&listener_, "exporting index of " + join(platforms_of(finished_), ", "));
        return step.end([&]() -> Result<void> {
            image::Pins::Hold hold(images_.parts().pins);
            image::NewIndex index{{}, tags};
            for (std::size_t i = 0; i < finished_.size(); ++i) {
                const Finished& one = finished_[i];
                GANTRY_CHECK(worker_.layers().need(one.result.top()));
                image::NewIndex::Entry entry{configs_[i], sizes_of(one), {}, platform_json(one.target.platform)};
                for (const LayerRef& layer : one.result.layers) {
                    GANTRY_TRY(Json blob, image::registry::kept_layer(images_, layer.key, layer.diff_id, hold,
                                                                      [this] { return cancel_.cancelled(); }));
                    const auto size = blob["size"].get<std::int64_t>();
                    step.progress("layer " + std::string(image::hex_of(layer.diff_id).substr(0, 12)), size, size);
                    entry.layers.push_back(std::move(blob));
                }
                index.entries.push_back(std::move(entry));
            }
            GANTRY_CHECK(cancel_.check());
            GANTRY_TRY(built_.id, images_.add_index(index));
            built_.digest = built_.id;
            built_.tags = tags;
            return {};
        }());
    }

    Result<void> files(const Write& write) {
        std::vector<FilesOf> all;
        for (const Finished& one : finished_) {
            std::string directory;
            if (several()) {
                directory = one.target.platform.text();
                std::replace(directory.begin(), directory.end(), '/', '_');
            }
            all.push_back({std::move(directory), one.result.layers});
        }
        return write_files(worker_.layers(), all, request_.steps.epoch, write, cancel_);
    }

    Result<void> archive(const Output& output, const Write& write) {
        Archive archive{output.type == "oci" ? ArchiveForm::oci : ArchiveForm::docker, {}, tags_of(output)};
        for (std::size_t i = 0; i < finished_.size(); ++i) {
            const Finished& one = finished_[i];
            GANTRY_CHECK(worker_.layers().need(one.result.top()));
            archive.images.push_back(
                {configs_[i], one.result.layers, request_.annotations, platform_json(one.target.platform)});
        }
        GANTRY_TRY(std::string digest, write_archive(worker_.layers(), images_, archive, write, cancel_));
        // What is in the store is what is pushed: its digest goes before an archive's, whose layers are plain.
        if (built_.digest.empty() || !several()) built_.digest = digest;
        if (several() && built_.id.empty()) built_.id = digest;
        return {};
    }

    static Json platform_json(const Platform& platform) {
        Json json{{"architecture", platform.architecture}, {"os", platform.os}};
        if (!platform.variant.empty()) json["variant"] = platform.variant;
        return json;
    }

    image::ImageStore& images_;
    const std::vector<Finished>& finished_;
    const BuildRequest& request_;
    BuildWorker& worker_;
    Client& client_;
    Listener& listener_;
    Cancel& cancel_;
    std::vector<std::string> configs_;  // as finished_
    Built built_;
};

}  // namespace

Result<void> check_outputs(const Graph& graph, const BuildRequest& request) {
    static const std::vector<std::string> known = {"image", "local", "tar", "oci", "docker"};
    for (const Output& output : request.outputs) {
        if (std::find(known.begin(), known.end(), output.type) == known.end())
            return fail(Code::unsupported, "output type " + quote_json(output.type.substr(0, 100)) +
                                               " is not supported, allowed: " + join(known, ", "));
        if (output.type != "docker" || graph.more.empty()) continue;
        std::string platforms;
        for (const Target* target : graph.targets())
            platforms += (platforms.empty() ? "" : ", ") + target->platform.text();
        return fail(Code::unsupported, "output type \"docker\" does not hold several platforms (" + platforms +
                                           "): build one, or use type=oci, or type=image for this engine's own images");
    }
    return {};
}

Result<Built> write_outputs(image::ImageStore& images, const std::vector<Finished>& finished,
                            const BuildRequest& request, BuildWorker& worker, Client& client, Listener& listener,
                            Cancel& cancel) {
    return OutputWriter(images, finished, request, worker, client, listener, cancel).run();
}

}  // namespace gantry::build
