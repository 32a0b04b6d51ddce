#include <map>
#include <set>

#include <gantry/driver.hpp>

#include "core/base/failpoint.hpp"
#include "core/base/log.hpp"
#include "core/base/text.hpp"
#include "core/image/archive_plan.hpp"
#include "core/image/registry/layer_blobs.hpp"
#include "core/image/registry/manifest.hpp"
#include "core/image/registry/names.hpp"
#include "core/image/registry/upload.hpp"
#include "core/image/strict_json.hpp"

namespace gantry::image::registry {
namespace {

constexpr std::size_t max_mounts = 3;

Error push_cancelled() { return fail(Code::cancelled, "the push is cancelled"); }

std::string short_of(const std::string& digest) { return std::string(hex_of(digest).substr(0, 12)); }

// What is going to be sent.
struct Parcel {
    std::string text, media_type, digest;
    std::vector<LayerBlob> layers;
    LayerBlob config;
    bool made = false;  // here and now
};

class ImagePush {
public:
    ImagePush(Service::Impl& service, Upload& upload, std::string host, int side_by_side, const Progress& progress,
              const Cancelled& cancelled)
        : service_(service),
          upload_(upload),
          host_(std::move(host)),
          side_by_side_(side_by_side),
          progress_(progress),
          cancelled_(cancelled),
          hold_(service.store().pins) {}

    // `reference`: a tag, or the digest of the manifest that an index names the image by.
    Result<Pushed> run(const std::string& id, const std::string& name, const std::string& reference) {
        auto record = service_.store().catalog.record(id);
        if (!record) return fail(Code::not_found, "No such image: " + id);
        diff_ids_ = diff_ids_of(record->image->config);
        if (diff_ids_.size() != record->blobs.size())
            return fail(Code::corrupt, "image " + id + " does not have the layers that its config lists");
        for (const std::string& diff_id : diff_ids_) tell(diff_id, "Preparing");
        GANTRY_TRY(auto whole, parcel_of(*record));
        Parcel parcel;
        const bool of_index = valid_digest(reference);
        if (of_index && (!whole || whole->digest != reference))
            return fail(Code::corrupt,
                        "the manifest " + reference + " of an index, or a layer that it names, is not kept here");
        if (whole)
            parcel = std::move(*whole);
        else
            parcel.layers.resize(diff_ids_.size());
        GANTRY_CHECK(send_layers(id, parcel, whole.has_value()));
        if (!whole) GANTRY_CHECK(write_manifest(id, parcel));
        GANTRY_CHECK(send_small(parcel.config));
        GANTRY_FAILPOINT("registry.push.before_manifest");
        if (cancelled_()) return push_cancelled();
        GANTRY_CHECK(upload_.manifest(reference, parcel.media_type, parcel.text, parcel.digest));
        if (!of_index) GANTRY_CHECK(remember(id, name, parcel));
        return Pushed{reference, parcel.digest, static_cast<std::int64_t>(parcel.text.size())};
    }

    // All images that the index names, and then it.
    Result<Pushed> run(const std::string& main, const ImageIndex& index, const std::string& name,
                       const std::string& tag) {
        auto& store = service_.store();
        hold_.add(index.digest);
        GANTRY_TRY(std::string text, store.blobs.read(index.digest, 4u << 20));
        const Json json = Json::parse(text, nullptr, false);
        std::string type = json.is_object() ? member<std::string>(json, "mediaType") : std::string();
        GANTRY_TRY(Manifest manifest, parse_manifest(std::move(text), type.empty() ? index.media_type : type));
        std::map<std::string, std::string> ids;           // by manifest
        std::map<std::string, Attestation> attestations;  // by digest
        auto know = [&](const Record& record) {
            ids[record.manifest] = record.image->id;
            for (const Attestation& one : record.attestations) attestations[one.digest] = one;
        };
        if (auto record = store.catalog.record(main)) know(*record);
        for (const Record& variant : index.variants) know(variant);
        for (const Descriptor& entry : manifest.entries)
            if (!ids.contains(entry.digest) && !attestations.contains(entry.digest))
                return fail(
                    Code::not_found,
                    name + ":" + tag + " is an index that names " +
                        (entry.attestation || entry.platform.os.empty() ? entry.digest : entry.platform.text()) +
                        ", which is not here: push one platform's image with --platform");
        for (const Descriptor& entry : manifest.entries) {
            ImagePush push(service_, upload_, host_, side_by_side_, progress_, cancelled_);
            if (auto image = ids.find(entry.digest); image != ids.end())
                GANTRY_CHECK(push.run(image->second, name, entry.digest));
            else
                GANTRY_CHECK(push.send_attestation(attestations.at(entry.digest)));
        }
        if (cancelled_()) return push_cancelled();
        GANTRY_FAILPOINT("registry.push.before_index");
        GANTRY_CHECK(upload_.manifest(tag, manifest.media_type, manifest.text, manifest.digest));
        auto kept = store.catalog.amend(main, [&](Image& image, Record&) {
            const std::string digest = name + "@" + manifest.digest;
            if (std::find(image.repo_digests.begin(), image.repo_digests.end(), digest) == image.repo_digests.end())
                image.repo_digests.push_back(digest);
        });
        if (!kept && kept.error().code != Code::not_found) return std::move(kept).error();
        return Pushed{tag, manifest.digest, static_cast<std::int64_t>(manifest.text.size())};
    }

private:
    void tell(const std::string& digest, const std::string& status, Json detail = Json::object()) {
        if (progress_) progress_({{"status", status}, {"progressDetail", std::move(detail)}, {"id", short_of(digest)}});
    }

    // The manifest that the image came with, where all that it names is here.
    Result<std::optional<Parcel>> parcel_of(const Record& record) {
        auto& blobs = service_.store().blobs;
        if (record.manifest.empty()) return std::optional<Parcel>();
        hold_.add(record.manifest);
        auto text = blobs.read(record.manifest, 4u << 20);
        if (!text) return std::optional<Parcel>();
        const Json json = Json::parse(*text, nullptr, false);
        std::string type = json.is_object() ? member<std::string>(json, "mediaType") : std::string();
        auto manifest = parse_manifest(std::move(*text), type.empty() ? std::string(media::manifest) : type);
        if (!manifest || manifest->is_index || manifest->layers.size() != diff_ids_.size())
            return std::optional<Parcel>();
        Parcel parcel;
        parcel.digest = manifest->digest;
        parcel.media_type = manifest->media_type;
        parcel.text = std::move(manifest->text);
        parcel.config = {manifest->config.digest, manifest->config.size};
        for (const Descriptor& layer : manifest->layers) {
            hold_.add(layer.digest);
            if (!blobs.has(layer.digest)) return std::optional<Parcel>();
            parcel.layers.push_back({layer.digest, layer.size});
        }
        return std::optional(std::move(parcel));
    }

    // Each layer by one of a few threads; the first failure ends all.
    Result<void> send_layers(const std::string& id, Parcel& parcel, bool known) {
        std::atomic<std::size_t> next = 0;
        std::mutex mutex;
        std::optional<Error> failed;
        std::set<std::string> sent;
        auto work = [&] {
            for (std::size_t i; (i = next++) < parcel.layers.size();) {
                {
                    std::lock_guard lock(mutex);
                    if (failed) return;
                }
                auto done = [&]() -> Result<void> {
                    if (!known) {
                        GANTRY_TRY(parcel.layers[i], compressed(id, i));
                    }
                    {
                        std::lock_guard lock(mutex);
                        if (!sent.insert(parcel.layers[i].digest).second) return {};
                    }
                    return send_layer(diff_ids_[i], parcel.layers[i]);
                }();
                if (done) continue;
                std::lock_guard lock(mutex);
                if (!failed) failed = std::move(done).error();
                return;
            }
        };
        const auto count = std::min<std::size_t>(parcel.layers.size(), static_cast<std::size_t>(side_by_side_));
        std::vector<std::thread> threads;
        for (std::size_t n = 1; n < count; ++n) threads.emplace_back(work);
        work();
        for (std::thread& thread : threads) thread.join();
        if (failed) return std::move(*failed);
        return {};
    }

    // Holds are not for several threads.
    Result<LayerBlob> compressed(const std::string& id, std::size_t index) {
        Pins::Hold hold(service_.store().pins);
        GANTRY_TRY(LayerBlob blob, compressed_layer(service_, id, index, hold, cancelled_));
        std::lock_guard lock(hold_mutex_);
        hold_.add(blob.digest);
        return blob;
    }

    // Repositories of this registry that are known to have the blob.
    std::vector<std::string> mounts_of(const std::string& digest) {
        std::vector<std::string> found;
        for (const Record& record : service_.store().catalog.every()) {
            if (std::none_of(record.blobs.begin(), record.blobs.end(),
                             [&](const LayerBlob& blob) { return blob.digest == digest; }))
                continue;
            for (const std::string& known : record.image->repo_digests) {
                const Location location = location_of(known.substr(0, known.find('@')));
                if (location.host != host_ || location.repository == upload_.repository()) continue;
                if (std::find(found.begin(), found.end(), location.repository) == found.end())
                    found.push_back(location.repository);
                if (found.size() == max_mounts) return found;
            }
        }
        return found;
    }

    Result<void> send_layer(const std::string& diff_id, const LayerBlob& blob) {
        if (cancelled_()) return push_cancelled();
        GANTRY_TRY(bool there, upload_.has(blob.digest));
        if (there) {
            tell(diff_id, "Layer already exists");
            return {};
        }
        for (const std::string& from : mounts_of(blob.digest)) {
            auto mounted = upload_.mount(blob.digest, from);
            if (!mounted || !*mounted) continue;  // then it is sent
            tell(diff_id, "Mounted from " + from);
            return {};
        }
        GANTRY_TRY(UniqueFd fd, service_.store().blobs.open_blob(blob.digest));
        Throttle throttle;
        auto sent = [&](std::int64_t bytes) {
            if (throttle.due()) tell(diff_id, "Pushing", {{"current", bytes}, {"total", blob.size}});
        };
        GANTRY_CHECK(upload_.blob(blob.digest, fd.get(), blob.size, sent));
        tell(diff_id, "Pushed");
        return {};
    }

    Result<void> send_small(const LayerBlob& blob) {
        GANTRY_TRY(bool there, upload_.has(blob.digest));
        if (there) return {};
        GANTRY_TRY(UniqueFd fd, service_.store().blobs.open_blob(blob.digest));
        return upload_.blob(blob.digest, fd.get(), blob.size, [](std::int64_t) {});
    }

    Result<void> send_attestation(const Attestation& attestation) {
        hold_.add(attestation.digest);
        for (const LayerBlob& blob : attestation.blobs) {
            if (cancelled_()) return push_cancelled();
            hold_.add(blob.digest);
            GANTRY_CHECK(send_small(blob));
        }
        GANTRY_TRY(std::string text, service_.store().blobs.read(attestation.digest, max_document_bytes));
        return upload_.manifest(attestation.digest, attestation.media_type, text, attestation.digest);
    }

    // Docker's form, which every registry takes; OCI's where a layer is in a form that Docker's has no name for.
    Result<void> write_manifest(const std::string& id, Parcel& parcel) {
        auto& blobs = service_.store().blobs;
        GANTRY_TRY(std::string config, blobs.read(id, 4u << 20));
        parcel.config = {id, static_cast<std::int64_t>(config.size())};
        std::vector<Compression> forms;
        for (const LayerBlob& layer : parcel.layers) {
            GANTRY_TRY(Compression form, compression_of(blobs, layer.digest));
            forms.push_back(form);
        }
        const bool oci = std::find(forms.begin(), forms.end(), Compression::zstd) != forms.end();
        parcel.media_type = oci ? media::manifest : media::docker_manifest;
        Json layers = Json::array();
        for (std::size_t i = 0; i < forms.size(); ++i) {
            const auto type = forms[i] == Compression::zstd ? media::layer_zstd
                              : oci                         ? media::layer_gzip
                                                            : media::docker_layer_gzip;
            layers.push_back(
                {{"mediaType", type}, {"digest", parcel.layers[i].digest}, {"size", parcel.layers[i].size}});
        }
        parcel.text = Json{
            {"schemaVersion", 2},
            {"mediaType", parcel.media_type},
            {"config",
             {{"mediaType", oci ? media::config : media::docker_config}, {"digest", id}, {"size", parcel.config.size}}},
            {"layers",
             std::move(
                 layers)}}.dump();
        parcel.digest = digest_of(parcel.text);
        parcel.made = true;
        hold_.add(parcel.digest);
        return blobs.put(parcel.digest, parcel.text);
    }

    Result<void> remember(const std::string& id, const std::string& name, const Parcel& parcel) {
        auto kept = service_.store().catalog.amend(id, [&](Image& image, Record& record) {
            const std::string digest = name + "@" + parcel.digest;
            if (std::find(image.repo_digests.begin(), image.repo_digests.end(), digest) == image.repo_digests.end())
                image.repo_digests.push_back(digest);
            if (!parcel.made) return;
            record.manifest = parcel.digest;
            record.attestations.clear();  // they speak of the manifest that it had
            record.blobs = parcel.layers;
        });
        // Removed meanwhile: it is pushed all the same.
        if (!kept && kept.error().code == Code::not_found) return {};
        return kept;
    }

    Service::Impl& service_;
    Upload& upload_;
    const std::string host_;
    const int side_by_side_;
    const Progress& progress_;
    const Cancelled& cancelled_;
    std::mutex hold_mutex_;
    Pins::Hold hold_;
    std::vector<std::string> diff_ids_;
};

// What is pushed as a tag.
struct Tagged {
    std::string tag, id;
    std::optional<ImageIndex> index;  // all of it; none: the image alone
};

Result<Tagged> tagged(const Catalog& catalog, const PushRequest& request, const std::string& tag) {
    auto named = catalog.named(request.name + ":" + tag);
    if (!named) return fail(Code::not_found, "An image does not exist locally with the tag: " + request.name);
    Tagged found{tag, named->record.image->id, std::move(named->index)};
    if (!request.platform) return found;
    int best = 0;
    std::string offered;
    auto look = [&](const Image& image) {
        const Platform own = platform_of(image.config);
        offered += (offered.empty() ? "" : ", ") + own.text();
        if (const int fit = fitness(*request.platform, own); fit > best) {
            best = fit;
            found.id = image.id;
        }
    };
    look(*named->record.image);
    if (found.index)
        for (const Record& variant : found.index->variants) look(*variant.image);
    if (best == 0)
        return fail(Code::not_found, "image " + request.name + ":" + tag + " is for " + offered + ", not for " +
                                         request.platform->text());
    found.index.reset();
    return found;
}

Result<std::vector<Tagged>> tags_of(ImageStore& images, const PushRequest& request) {
    std::set<std::string> names;
    if (!request.tag.empty()) names.insert(request.tag);
    if (request.tag.empty())
        for (const auto& image : images.list())
            for (const std::string& tag : image->tags)
                if (const std::size_t colon = tag.rfind(':'); tag.substr(0, colon) == request.name)
                    names.insert(tag.substr(colon + 1));
    if (names.empty()) return fail(Code::not_found, "An image does not exist locally with the tag: " + request.name);
    std::vector<Tagged> tags;
    for (const std::string& name : names) {
        GANTRY_TRY(Tagged one, tagged(images.parts().catalog, request, name));
        tags.push_back(std::move(one));
    }
    return tags;
}

}  // namespace

Result<std::vector<Pushed>> Service::push(const PushRequest& request, const Progress& progress,
                                          const Cancelled& by_caller) {
    const Settings settings = impl_->settings();
    const Cancelled cancelled = impl_->until_stopped(by_caller);
    GANTRY_TRY(auto tags, tags_of(impl_->images, request));
    const Location location = location_of(request.name);
    if (progress)
        progress({{"status", "The push refers to repository [" + location.host + "/" + location.repository + "]"}});
    Transport transport(settings, cancelled);
    GANTRY_TRY(auto session, Session::open(transport, location.host, "", request.credentials));
    Upload upload(std::shared_ptr<Session>(std::move(session)), location.repository);
    std::vector<Pushed> all;
    for (const auto& [tag, id, index] : tags) {
        ImagePush push(*impl_, upload, location.host, settings.uploads, progress, cancelled);
        auto pushed = index ? push.run(id, *index, request.name, tag) : push.run(id, request.name, tag);
        if (!pushed) {
            if (cancelled()) return push_cancelled();
            return std::move(pushed).error();
        }
        if (progress) {
            progress({{"status", tag + ": digest: " + pushed->digest + " size: " + std::to_string(pushed->size)}});
            progress({{"progressDetail", Json::object()},
                      {"aux", {{"Tag", tag}, {"Digest", pushed->digest}, {"Size", pushed->size}}}});
        }
        all.push_back(std::move(*pushed));
    }
    return all;
}

}  // namespace gantry::image::registry
