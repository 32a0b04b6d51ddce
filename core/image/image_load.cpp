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

Result<std::vector<std::string>> ImageStore::load(int fd, const Progress& progress) {
    auto say = [&](const Json& message) {
        if (progress) progress(message);
    };
    GANTRY_TRY(auto stream, decompressed(source_of(fd)));
    GANTRY_TRY(Spool spool, Spool::read(*stream, impl_->blobs));
    GANTRY_TRY(auto plan, plan_archive(spool));
    GANTRY_FAILPOINT("image.load.checked");

    Impl::Made made(*impl_);
    LayerUnpacker unpacker = impl_->unpacker();
    std::vector<Record> records;
    for (PlannedImage& planned : plan) {
        Image image;
        Record record;
        std::string below;
        for (const PlannedLayer& layer : planned.layers) {
            const std::string key = chain_id(below, layer.diff_id);
            made.hold().add(key);
            GANTRY_TRY(bool present, unpacker.has(key));
            std::int64_t bytes = 0;
            if (present) {
                GANTRY_TRY(bytes, unpacker.usage(key));
            } else {
                GANTRY_TRY(UniqueFd file, open_file(layer.file->path(), O_RDONLY));
                GANTRY_TRY(auto plain, decompressed(source_of(std::move(file))));
                const std::string label = layer_label(layer.diff_id);
                Throttle throttle;
                auto moved = [&](std::int64_t now) {
                    if (progress && throttle.due())
                        say({{"status", "Loading layer"}, {"progressDetail", {{"current", now}}}, {"id", label}});
                };
                GANTRY_TRY(auto unpacked, unpacker.unpack(*plain, below, layer.diff_id, made.hold(), moved));
                made.layer(key);
                bytes = unpacked.usage_bytes;
                say({{"status", "Loading layer"},
                     {"progressDetail", {{"current", unpacked.tar_bytes}, {"total", unpacked.tar_bytes}}},
                     {"id", label}});
            }
            image.layers.push_back(key);
            image.size += bytes;
            image.layer_sizes.push_back(bytes);
            record.blobs.push_back({layer.file->digest(), layer.file->size()});
            below = key;
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
