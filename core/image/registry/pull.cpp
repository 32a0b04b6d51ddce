#include "core/image/registry/pull.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <gantry/driver.hpp>

#include "core/base/clock.hpp"
#include "core/base/failpoint.hpp"
#include "core/base/fd_path.hpp"
#include "core/base/files.hpp"
#include "core/base/log.hpp"
#include "core/image/archive_plan.hpp"
#include "core/image/registry/names.hpp"
#include "core/image/registry/pull_attestations.hpp"
#include "core/image/references.hpp"

namespace gantry::image::registry {
namespace {

// So long blobs that do not unpack are waited for, to learn whether the registry or they themselves are to blame.
constexpr std::int64_t worth_waiting_ns = 2'000'000'000;
constexpr int max_unpackings = 3;

// Counts what is read.
class Counted final : public ByteSource {
public:
    Counted(std::unique_ptr<ByteSource> from, std::atomic<std::int64_t>& count)
        : from_(std::move(from)), count_(count) {
        count_ = 0;
    }
    Result<std::size_t> read(char* data, std::size_t size) override {
        GANTRY_TRY(std::size_t n, from_->read(data, size));
        count_ += static_cast<std::int64_t>(n);
        return n;
    }

private:
    std::unique_ptr<ByteSource> from_;
    std::atomic<std::int64_t>& count_;
};

Error pull_cancelled() { return fail(Code::cancelled, "the pull is cancelled"); }

}  // namespace

ImagePull::ImagePull(Service::Impl& service, std::shared_ptr<Sources> sources, std::size_t source, Resolved resolved,
                     const Progress& progress, Cancelled cancelled, int side_by_side)
    : service_(service),
      sources_(std::move(sources)),
      source_(source),
      resolved_(std::move(resolved)),
      progress_(progress),
      cancelled_(std::move(cancelled)),
      side_by_side_(side_by_side),
      rows_(progress_) {}

void ImagePull::begin_download(Layer& layer) {
    layer.place.reset();
    layer.place.emplace(service_.downloads->get(layer.blob, sources_, source_, side_by_side_));
    if (layer.row) rows_.replace(*layer.row, layer.place->get());
}

Result<void> ImagePull::plan(ImageStore::Impl::Made& made) {
    auto& store = service_.store();
    LayerUnpacker unpacker = store.unpacker();
    const auto diff_ids = diff_ids_of(resolved_.config);
    std::string below;
    for (std::size_t i = 0; i < diff_ids.size(); ++i) {
        Layer layer{resolved_.manifest.layers[i], diff_ids[i], chain_id(below, diff_ids[i])};
        made.hold().add(layer.key);
        made.hold().add(layer.blob.digest);
        below = layer.key;
        layers_.push_back(std::move(layer));
    }
    for (Layer& layer : layers_) {
        const bool blob = store.blobs.has(layer.blob.digest);
        GANTRY_TRY(bool unpacked, unpacker.has(layer.key));
        layer.row = &rows_.add(layer.blob.digest, layer.blob.size, blob && unpacked);
        if (!blob) begin_download(layer);
    }
    rows_.begin();
    return {};
}

Result<void> ImagePull::settle(Layer& layer) {
    while (layer.place) {
        auto done = layer.place->get()->wait(cancelled_);
        if (done) return {};
        if (cancelled_()) return pull_cancelled();
        if (!layer.place->joined()) return done;
        begin_download(layer);
    }
    return {};
}

Result<std::unique_ptr<ByteSource>> ImagePull::open(Layer& layer) {
    std::unique_ptr<ByteSource> blob;
    if (layer.place) {
        blob = Download::reader(layer.place->get(), [this] { return gave_up_ || cancelled_(); });
    } else {
        GANTRY_TRY(UniqueFd fd, service_.store().blobs.open_blob(layer.blob.digest));
        blob = source_of(std::move(fd));
    }
    layer.row->unpacking = true;
    return std::unique_ptr<ByteSource>(std::make_unique<Counted>(std::move(blob), layer.row->unpacked));
}

Result<void> ImagePull::judge(const Error& failed) {
    if (cancelled_()) return pull_cancelled();
    // A driver's patience may end before a slow registry does, and a download may have begun anew.
    bool again = failed.code == Code::deadline || failed.code == Code::retry_later;
    const std::int64_t until = monotonic_ns() + worth_waiting_ns;
    auto waited_enough = [&] { return cancelled_() || monotonic_ns() > until; };
    for (Layer& layer : layers_) {
        if (!layer.place) continue;
        Download& download = *layer.place->get();
        const bool was_done = download.state() == Download::State::done;
        if (!again && download.state() != Download::State::failed) (void)download.wait(waited_enough);
        // What was unpacked were bytes that nobody had checked yet: those of a damaged partial file, perhaps.
        if (!was_done && download.state() == Download::State::done) again = true;
        const bool ended = download.state() == Download::State::failed;
        if (!again && !ended) continue;
        GANTRY_CHECK(settle(layer));
        if (ended) again = true;  // it was someone else's, and has come now
    }
    return again ? Result<void>() : Result<void>(failed);
}

Result<std::vector<LayerOutput>> ImagePull::unpack(ImageStore::Impl::Made& made) {
    auto& store = service_.store();
    LayerUnpacker unpacker = store.unpacker();
    // From below, each given back as soon as its layer is there: of two pulls that share layers, one unpacks them.
    std::vector<std::unique_ptr<KeyLocks::Lock>> locks(layers_.size());
    std::vector<LayerInput> inputs;
    for (std::size_t i = 0; i < layers_.size(); ++i) {
        Layer& layer = layers_[i];
        inputs.push_back({layer.diff_id, [this, &layer] { return open(layer); }});
        GANTRY_TRY(bool present, unpacker.has(layer.key));
        if (present) continue;
        locks[i] = service_.layers.lock(layer.key, cancelled_);
        if (!locks[i]) return pull_cancelled();
        GANTRY_TRY(present, unpacker.has(layer.key));
        if (present) locks[i].reset();
    }
    LayerSet::Told told;
    told.committed = [&](std::size_t number, const LayerOutput& output, std::int64_t) {
        made.layer(output.key);
        locks[number].reset();
        layers_[number].row->complete = true;
        layers_[number].proven = true;
    };
    told.gave_up = [this] { gave_up_ = true; };
    for (int tries = 1;; ++tries) {
        gave_up_ = false;
        auto outputs = LayerSet(unpacker, store.pins).unpack(inputs, made.hold(), told);
        if (outputs) return outputs;
        GANTRY_CHECK(judge(outputs.error()));
        if (tries >= max_unpackings) return outputs;
    }
}

Result<void> ImagePull::prove(const Layer& layer) {
    if (layer.proven) return {};
    auto& store = service_.store();
    UniqueFd file;
    if (layer.place) {
        // With a place of its own to read at.
        GANTRY_TRY(file, open_file(fd_path(layer.place->get()->fd()), O_RDONLY));
    } else {
        GANTRY_TRY(file, store.blobs.open_blob(layer.blob.digest));
    }
    struct stat info {};
    if (::fstat(file.get(), &info) != 0) return fail_errno("look up the blob " + layer.blob.digest);
    if (info.st_size != layer.blob.size)
        return fail(Code::invalid, "layer " + layer.blob.digest + ": its size is " + std::to_string(info.st_size) +
                                       ", but the manifest says " + std::to_string(layer.blob.size));
    for (const Record& record : store.catalog.every())
        for (std::size_t i = 0; i < std::min(record.blobs.size(), record.image->layers.size()); ++i)
            if (record.blobs[i].digest == layer.blob.digest && record.image->layers[i] == layer.key) return {};
    GANTRY_TRY(auto plain, decompressed(source_of(std::move(file))));
    Sha256 hash;
    std::vector<char> piece(256u << 10);
    for (;;) {
        if (cancelled_()) return pull_cancelled();
        GANTRY_TRY(std::size_t n, plain->read(piece.data(), piece.size()));
        if (n == 0) break;
        hash.update({piece.data(), n});
    }
    if (const std::string digest = hash.finish(); digest != layer.diff_id)
        return fail(Code::invalid, "layer " + layer.blob.digest + " unpacks to the digest " + digest +
                                       ", but the image's configuration says " + layer.diff_id);
    return {};
}

Result<std::string> ImagePull::run(const std::vector<std::string>& tags, const std::string& repo_digest) {
    auto& store = service_.store();
    ImageStore::Impl::Made made(store);
    GANTRY_CHECK(plan(made));
    AttestationPull attestations(service_, sources_, source_, cancelled_, side_by_side_);
    GANTRY_CHECK(attestations.begin(resolved_, made.hold()));
    Image image;
    Record record;
    GANTRY_TRY(auto outputs, unpack(made));
    for (std::size_t i = 0; i < layers_.size(); ++i) {
        GANTRY_CHECK(settle(layers_[i]));
        GANTRY_CHECK(prove(layers_[i]));
        layers_[i].row->complete = true;
        image.layers.push_back(outputs[i].key);
        image.layer_sizes.push_back(outputs[i].usage_bytes);
        image.size += outputs[i].usage_bytes;
        record.blobs.push_back({layers_[i].blob.digest, layers_[i].blob.size});
    }
    GANTRY_CHECK(attestations.take(made));
    rows_.end();
    GANTRY_FAILPOINT("registry.pull.unpacked");
    for (Layer& layer : layers_)
        if (layer.place) {
            const int fd = layer.place->get()->fd();
            GANTRY_CHECK(made.file(service_.partials->path_of(layer.blob.digest), fd, layer.blob.digest));
        }
    image.id = resolved_.manifest.config.digest;
    GANTRY_CHECK(made.blob(image.id, resolved_.config_text));
    GANTRY_CHECK(made.blob(resolved_.manifest.digest, resolved_.manifest.text));
    image.created_ns = parse_rfc3339(member<std::string>(resolved_.config, "created")).value_or(0);
    image.config = std::move(resolved_.config);
    image.repo_digests = {repo_digest};
    record.manifest = resolved_.manifest.digest;
    record.attestations = attestations.kept();
    // An index of several platforms is not kept: what the others are would be missing.
    if (!resolved_.index_text.empty() && record.attestations.size() == resolved_.attestations.size()) {
        GANTRY_CHECK(made.blob(resolved_.digest, resolved_.index_text));
        record.indexes.push_back({resolved_.digest, resolved_.media_type, tags, {}});
    }
    for (const std::string& why : attestations.left_out())
        if (progress_) progress_({{"status", "Attestation not kept: " + why}});
    const std::string id = image.id;
    record.image = std::make_shared<const Image>(std::move(image));
    GANTRY_FAILPOINT("registry.pull.before_record");
    if (cancelled_()) return pull_cancelled();
    GANTRY_CHECK(store.catalog.add(std::move(record), tags));
    made.keep();
    for (Layer& layer : layers_)
        if (layer.place) service_.partials->discard(layer.blob.digest);
    attestations.discard_partials();
    return id;
}

namespace {

bool is_of_another(ImageStore& images, const std::string& reference, const Platform& platform) {
    auto there = images.find(reference);
    return there && fitness(platform, platform_of((*there)->config)) == 0;
}

// The image of one reference, from the first source that gives it.
Result<Pulled> pull_one(Service::Impl& service, const std::shared_ptr<Sources>& sources, const PullRequest& request,
                        const std::string& wanted, int side_by_side, const Progress& progress,
                        const Cancelled& cancelled) {
    const bool by_digest = !request.digest.empty();
    const Location location = location_of(request.name);
    Pulled pulled;
    pulled.reference = request.name + (by_digest ? "@" : ":") + wanted;
    auto say = [&](const Json& message) {
        if (progress) progress(message);
    };
    for (std::size_t i = 0; i < sources->count(); ++i) {
        auto remote = sources->get(i);
        auto resolved = remote ? resolve(**remote, wanted, request.platform) : Result<Resolved>(remote.error());
        if (!resolved) {
            if (cancelled()) return pull_cancelled();
            if (i + 1 == sources->count()) return std::move(resolved).error();
            log::warn("a mirror does not give an image",
                      {{"mirror", sources->name(i)}, {"image", pulled.reference}, {"reason", resolved.error().text}});
            continue;
        }
        say({{"status", "Pulling from " + location.repository}, {"id", wanted}});
        GANTRY_FAILPOINT("registry.pull.resolved");
        std::string before;
        if (auto there = service.images.find(pulled.reference)) before = (*there)->id;
        const std::string digest = resolved->digest;
        std::vector<std::string> tags;
        if (!by_digest &&
            !(request.spare_others && is_of_another(service.images, pulled.reference, resolved->platform)))
            tags.push_back(pulled.reference);
        ImagePull pull(service, sources, i, std::move(*resolved), progress, cancelled, side_by_side);
        GANTRY_TRY(pulled.id, pull.run(tags, request.name + "@" + digest));
        pulled.newer = pulled.id != before;
        say({{"status", "Digest: " + digest}});
        say({{"status", (pulled.newer ? "Status: Downloaded newer image for " : "Status: Image is up to date for ") +
                            pulled.reference}});
        return pulled;
    }
    return fail(Code::internal, "no source for " + pulled.reference);
}

}  // namespace

Result<std::vector<Pulled>> Service::pull(const PullRequest& request, const Progress& progress,
                                          const Cancelled& by_caller) {
    const Settings settings = impl_->settings();
    const Cancelled cancelled = impl_->until_stopped(by_caller);
    const Location location = location_of(request.name);
    impl_->partials->collect();
    auto sources =
        std::make_shared<Sources>(settings, location.host, location.repository, request.credentials, cancelled);
    ScopeGuard detach([&] { sources->detach(); });
    std::vector<std::string> references;
    if (!request.digest.empty()) {
        references.push_back(request.digest);
    } else if (!request.tag.empty()) {
        references.push_back(request.tag);
    } else {
        GANTRY_TRY(auto origin, sources->get(sources->count() - 1));
        GANTRY_TRY(references, origin->tags());
        if (references.empty()) return fail(Code::not_found, "the repository " + request.name + " has no tags");
    }
    std::vector<Pulled> all;
    for (const std::string& reference : references) {
        auto pulled = pull_one(*impl_, sources, request, reference, settings.downloads, progress, cancelled);
        if (!pulled) {
            if (cancelled()) return pull_cancelled();
            return std::move(pulled).error();
        }
        all.push_back(std::move(*pulled));
    }
    return all;
}

}  // namespace gantry::image::registry
