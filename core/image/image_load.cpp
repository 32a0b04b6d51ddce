#include <gantry/driver.hpp>

#include "core/base/clock.hpp"
#include "core/base/failpoint.hpp"
#include "core/base/files.hpp"
#include "core/base/text.hpp"
#include "core/image/archive_plan.hpp"
#include "core/image/image_store_impl.hpp"

#include <fcntl.h>

namespace gantry::image {
namespace {

std::string layer_label(const std::string& diff_id) { return std::string(hex_of(diff_id).substr(0, 12)); }

}  // namespace

Result<std::vector<LayerOutput>> ImageStore::Impl::Made::layers(const PlannedImage& image, const Progress& progress) {
    auto say = [&](std::size_t number, const Json& detail) {
        progress({{"status", "Loading layer"},
                  {"progressDetail", detail},
                  {"id", layer_label(image.layers[number].diff_id)}});
    };
    std::vector<LayerInput> inputs;
    std::vector<Throttle> throttles(image.layers.size());
    for (const PlannedLayer& planned : image.layers)
        inputs.push_back({planned.diff_id, [file = planned.file]() -> Result<std::unique_ptr<ByteSource>> {
                              GANTRY_TRY(UniqueFd fd, open_file(file->path(), O_RDONLY));
                              return source_of(std::move(fd));
                          }});
    LayerSet::Told told;
    told.moved = [&](std::size_t number, std::int64_t bytes) {
        if (progress && throttles[number].due()) say(number, {{"current", bytes}});
    };
    told.committed = [&](std::size_t number, const LayerOutput& output, std::int64_t bytes) {
        layer(output.key);
        if (progress) say(number, {{"current", bytes}, {"total", bytes}});
    };
    return LayerSet(impl_.unpacker(), impl_.pins).unpack(inputs, hold_, told);
}

Result<std::vector<std::string>> ImageStore::load(int fd, const Progress& progress) {
    auto say = [&](const Json& message) {
        if (progress) progress(message);
    };
    GANTRY_TRY(auto stream, decompressed(source_of(fd)));
    GANTRY_TRY(Spool spool, Spool::read(*stream, impl_->blobs));
    GANTRY_TRY(auto plan, plan_archive(spool));
    GANTRY_FAILPOINT("image.load.checked");

    Impl::Made made(*impl_);
    std::vector<Record> records;
    for (PlannedImage& planned : plan) {
        Image image;
        Record record;
        GANTRY_TRY(auto layers, made.layers(planned, progress));
        for (std::size_t i = 0; i < layers.size(); ++i) {
            image.layers.push_back(layers[i].key);
            image.size += layers[i].usage_bytes;
            image.layer_sizes.push_back(layers[i].usage_bytes);
            record.blobs.push_back({planned.layers[i].file->digest(), planned.layers[i].file->size()});
        }
        image.id = planned.id;
        image.created_ns = parse_rfc3339(member<std::string>(planned.config, "created")).value_or(0);
        image.config = planned.config;
        if (!planned.manifest.empty())
            for (const std::string& tag : planned.tags)
                image.repo_digests.push_back(tag.substr(0, tag.rfind(':')) + "@" + planned.manifest);
        record.manifest = planned.manifest;
        record.image = std::make_shared<const Image>(std::move(image));
        records.push_back(std::move(record));
    }

    for (PlannedImage& planned : plan) {
        for (const PlannedLayer& layer : planned.layers) GANTRY_CHECK(made.blob(*layer.file));
        GANTRY_CHECK(made.blob(planned.id, planned.config_text));
        if (!planned.manifest.empty()) GANTRY_CHECK(made.blob(planned.manifest, planned.manifest_text));
    }
    GANTRY_FAILPOINT("image.load.before_record");

    std::vector<std::string> names;
    for (std::size_t i = 0; i < plan.size(); ++i) {
        GANTRY_TRY(auto losers, impl_->catalog.add(records[i], plan[i].tags));
        made.keep();
        for (const std::string& loser : losers)
            say({{"stream", "The image " + join(plan[i].tags, ", ") + " already exists, renaming the old one with ID " +
                                loser + " to empty string\n"}});
        for (const std::string& tag : plan[i].tags) {
            names.push_back(tag);
            say({{"stream", "Loaded image: " + tag + "\n"}});
        }
        if (plan[i].tags.empty()) {
            names.push_back(plan[i].id);
            say({{"stream", "Loaded image ID: " + plan[i].id + "\n"}});
        }
    }
    return names;
}

}  // namespace gantry::image
