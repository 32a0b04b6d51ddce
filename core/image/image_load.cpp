#include <gantry/driver.hpp>

#include "core/base/clock.hpp"
#include "core/base/failpoint.hpp"
#include "core/base/files.hpp"
#include "core/base/text.hpp"
#include "core/image/archive_plan.hpp"
#include "core/image/early_layers.hpp"
#include "core/image/image_store_impl.hpp"

#include <fcntl.h>

namespace gantry::image {
namespace {

std::string layer_label(const std::string& diff_id) { return std::string(hex_of(diff_id).substr(0, 12)); }

// What decompresses the archive is gone before its layers, which are perhaps compressed too, are read.
Result<Spool> read_spool(int fd, const BlobStore& blobs, EarlyLayers& early) {
    GANTRY_TRY(auto stream, decompressed(source_of(fd)));
    return Spool::read(*stream, blobs, &early);
}

// Whether a layer of that digest, as its blob or unpacked, is here.
class KnownLayers {
public:
    explicit KnownLayers(const ImageStore::Impl& impl) : impl_(impl) {}
    bool operator()(const std::string& digest) {
        if (impl_.blobs.has(digest)) return true;
        if (!diff_ids_) {
            diff_ids_.emplace();
            for (const Record& record : impl_.catalog.every())
                for (std::string& diff_id : diff_ids_of(record.image->config)) diff_ids_->insert(std::move(diff_id));
        }
        return diff_ids_->contains(digest);
    }

private:
    const ImageStore::Impl& impl_;
    std::optional<std::set<std::string>> diff_ids_ = std::nullopt;
};

}  // namespace

Result<std::vector<LayerOutput>> ImageStore::Impl::Made::layers(const PlannedImage& image, EarlyLayers& early,
                                                                const Progress& progress) {
    auto say = [&](std::size_t number, const Json& detail) {
        progress({{"status", "Loading layer"},
                  {"progressDetail", detail},
                  {"id", layer_label(image.layers[number].diff_id)}});
    };
    std::vector<LayerInput> inputs;
    std::vector<Throttle> throttles(image.layers.size());
    for (const PlannedLayer& planned : image.layers)
        inputs.push_back({planned.diff_id,
                          [file = planned.file]() -> Result<std::unique_ptr<ByteSource>> {
                              GANTRY_TRY(UniqueFd fd, open_file(file->path(), O_RDONLY));
                              return source_of(std::move(fd));
                          },
                          [&early, file = planned.file](const LayerInput::Moved& moved) {
                              return early.take(file->path(), moved);
                          }});
    LayerSet::Told told;
    told.moved = [&](std::size_t number, std::int64_t bytes) {
        if (progress && throttles[number].due()) say(number, {{"current", bytes}});
    };
    told.committed = [&](std::size_t number, const LayerOutput& output, std::int64_t bytes) {
        layer(output.key);
        if (progress) say(number, {{"current", bytes}, {"total", bytes}});
    };
    told.gave_up = [&early] { early.stop(); };
    return LayerSet(impl_.unpacker(), impl_.pins).unpack(inputs, hold_, told);
}

Result<std::vector<std::string>> ImageStore::load(int fd, const Progress& progress, const Wanted& platforms) {
    auto say = [&](const Json& message) {
        if (progress) progress(message);
    };
    EarlyLayers early(impl_->unpacker(), impl_->pins, KnownLayers(*impl_));
    GANTRY_TRY(Spool spool, read_spool(fd, impl_->blobs, early));
    GANTRY_TRY(auto plan, plan_archive(spool, platforms));
    GANTRY_FAILPOINT("image.load.checked");

    Impl::Made made(*impl_);
    // Its layers, unpacked; what is recorded of it but the names.
    auto unpacked = [&](const PlannedImage& planned) -> Result<Record> {
        Image image;
        Record record;
        GANTRY_TRY(auto layers, made.layers(planned, early, progress));
        for (std::size_t i = 0; i < layers.size(); ++i) {
            image.layers.push_back(layers[i].key);
            image.size += layers[i].usage_bytes;
            image.layer_sizes.push_back(layers[i].usage_bytes);
            record.blobs.push_back({planned.layers[i].file->digest(), planned.layers[i].file->size()});
        }
        image.id = planned.id;
        image.created_ns = parse_rfc3339(member<std::string>(planned.config, "created")).value_or(0);
        image.config = planned.config;
        // As a pull would name it: by the index where there is one.
        if (const std::string& digest = planned.index.empty() ? planned.manifest : planned.index; !digest.empty())
            for (const std::string& tag : planned.tags)
                image.repo_digests.push_back(tag.substr(0, tag.rfind(':')) + "@" + digest);
        record.manifest = planned.manifest;
        for (const PlannedAttestation& one : planned.attestations) record.attestations.push_back(one.kept);
        record.image = std::make_shared<const Image>(std::move(image));
        return record;
    };
    std::vector<Catalog::Addition> additions;
    for (const PlannedImage& planned : plan) {
        GANTRY_TRY(Record record, unpacked(planned));
        if (!planned.index.empty()) {
            ImageIndex index{planned.index, planned.index_type, planned.tags, {}};
            for (const PlannedImage& variant : planned.variants) {
                GANTRY_TRY(Record other, unpacked(variant));
                index.variants.push_back(std::move(other));
            }
            record.indexes.push_back(std::move(index));
        }
        additions.push_back({std::move(record), planned.tags});
    }

    auto keep_blobs = [&](const PlannedImage& planned) -> Result<void> {
        for (const PlannedLayer& layer : planned.layers) GANTRY_CHECK(made.blob(*layer.file));
        GANTRY_CHECK(made.blob(planned.id, planned.config_text));
        if (!planned.manifest.empty()) GANTRY_CHECK(made.blob(planned.manifest, planned.manifest_text));
        if (!planned.index.empty()) GANTRY_CHECK(made.blob(planned.index, planned.index_text));
        for (const PlannedAttestation& one : planned.attestations) {
            GANTRY_CHECK(made.blob(one.kept.digest, one.text));
            for (BlobWriter* file : one.files) GANTRY_CHECK(made.blob(*file));
        }
        for (const std::string& why : planned.left_out) say({{"status", "Attestation not kept: " + why}});
        return {};
    };
    for (const PlannedImage& planned : plan) {
        GANTRY_CHECK(keep_blobs(planned));
        for (const PlannedImage& variant : planned.variants) GANTRY_CHECK(keep_blobs(variant));
    }
    GANTRY_FAILPOINT("image.load.before_record");

    GANTRY_TRY(auto losers, impl_->catalog.add(std::move(additions)));
    made.keep();
    std::vector<std::string> names;
    for (std::size_t i = 0; i < plan.size(); ++i) {
        for (const std::string& loser : losers[i])
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
