#include "core/image/save_plan.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <gantry/driver.hpp>

#include "core/image/archive_plan.hpp"
#include "core/image/attestation.hpp"
#include "core/image/layer_diff.hpp"
#include "core/image/media_types.hpp"
#include "core/image/strict_json.hpp"

namespace gantry::image {
namespace {

class Text final : public ByteSource {
public:
    explicit Text(std::string text) : text_(std::move(text)) {}
    Result<std::size_t> read(char* data, std::size_t size) override {
        const std::size_t n = std::min(size, text_.size() - at_);
        std::copy_n(text_.data() + at_, n, data);
        at_ += n;
        return n;
    }

private:
    const std::string text_;
    std::size_t at_ = 0;
};

// The media type of a layer's blob by its first bytes; "" for a compression that has none.
Result<std::string_view> layer_type(const BlobStore& blobs, const std::string& digest) {
    GANTRY_TRY(UniqueFd fd, blobs.open_blob(digest));
    unsigned char head[6] = {};
    if (::pread(fd.get(), head, sizeof head, 0) < 0) return fail_errno("read blob \"" + digest + "\"");
    if (head[0] == 0x1f && head[1] == 0x8b) return media::layer_gzip;
    if (head[0] == 0x28 && head[1] == 0xb5 && head[2] == 0x2f && head[3] == 0xfd) return media::layer_zstd;
    const bool xz = head[0] == 0xfd && head[1] == '7' && head[2] == 'z';
    const bool bzip2 = head[0] == 'B' && head[1] == 'Z' && head[2] == 'h' && head[3] >= '1' && head[3] <= '9';
    return xz || bzip2 ? std::string_view() : media::layer;
}

Result<std::int64_t> measure(ByteSource& source, const std::string& expected) {
    Sha256 hash;
    std::int64_t size = 0;
    std::vector<char> buffer(256u << 10);
    for (;;) {
        GANTRY_TRY(std::size_t n, source.read(buffer.data(), buffer.size()));
        if (n == 0) break;
        hash.update({buffer.data(), n});
        size += static_cast<std::int64_t>(n);
    }
    if (const std::string digest = hash.finish(); digest != expected)
        return fail(Code::corrupt, "a layer's content has the digest \"" + digest + "\", the image says \"" + expected +
                                       "\": it cannot be written as it came");
    return size;
}

class Planner {
public:
    Planner(const SaveSources& sources, Pins::Hold& hold) : sources_(sources), hold_(hold) {}

    Result<void> index(const std::string& digest, const SaveWish::Index& wanted) {
        hold_.add(digest);
        GANTRY_TRY(std::string text, sources_.blobs.read(digest, max_document_bytes));
        plan_.blobs[digest] = {SavedBlob::From::store, digest, static_cast<std::int64_t>(text.size())};
        for (const SavedImage& image : plan_.images) {
            if (std::find(wanted.images.begin(), wanted.images.end(), image.id) == wanted.images.end()) continue;
            if (text.find(image.manifest) == std::string::npos)
                return fail(Code::corrupt, "index \"" + digest + "\": the layers of its image " + image.id +
                                               " are no longer kept in the form that it names");
            for (const Attestation& one : image.attestations)
                if (text.find(one.digest) != std::string::npos) add(one);
        }
        plan_.indexes.push_back({digest, wanted.media_type, wanted.images.front(),
                                 std::vector<std::string>(wanted.tags.begin(), wanted.tags.end())});
        return {};
    }

    Result<void> image(const std::string& id, const std::set<std::string>& tags, bool alone) {
        auto record = sources_.catalog.record(id);
        if (!record) return fail(Code::not_found, "No such image: " + id);
        for (const std::string& key : record->image->layers) hold_.add(key);
        hold_.add(id);
        if (!record->manifest.empty()) hold_.add(record->manifest);
        for (const LayerBlob& blob : record->blobs)
            if (!blob.digest.empty()) hold_.add(blob.digest);
        for (const Attestation& one : record->attestations) {
            hold_.add(one.digest);
            for (const LayerBlob& blob : one.blobs) hold_.add(blob.digest);
        }
        // Whatever was deleted between the two was not held yet.
        record = sources_.catalog.record(id);
        if (!record) return fail(Code::not_found, "No such image: " + id);

        SavedImage saved;
        saved.id = id;
        saved.alone = alone;
        saved.tags.assign(tags.begin(), tags.end());
        saved.diff_ids = diff_ids_of(record->image->config);
        if (saved.diff_ids.size() != record->image->layers.size())
            return fail(Code::corrupt, "image " + id + " has another number of layers than its config says");
        for (std::size_t i = 0; i < saved.diff_ids.size(); ++i) {
            GANTRY_TRY(Json descriptor, layer(*record, i, saved.diff_ids[i]));
            saved.layers.push_back(std::move(descriptor));
        }
        GANTRY_TRY(std::string config, sources_.blobs.read(id, max_document_bytes));
        plan_.blobs[id] = {SavedBlob::From::store, id, static_cast<std::int64_t>(config.size())};
        GANTRY_CHECK(manifest(*record, saved, static_cast<std::int64_t>(config.size())));
        if (saved.manifest == record->manifest)
            std::copy_if(record->attestations.begin(), record->attestations.end(),
                         std::back_inserter(saved.attestations), [&](const Attestation& one) { return whole(one); });
        if (alone && !saved.attestations.empty()) make_index(record->image->config, saved);
        plan_.images.push_back(std::move(saved));
        return {};
    }
    SavePlan take() { return std::move(plan_); }

private:
    Result<Json> layer(const Record& record, std::size_t index, const std::string& diff_id) {
        const std::string& kept = record.blobs[index].digest;
        if (!kept.empty() && sources_.blobs.has(kept)) {
            GANTRY_TRY(std::string_view type, layer_type(sources_.blobs, kept));
            if (!type.empty()) {
                GANTRY_TRY(UniqueFd fd, sources_.blobs.open_blob(kept));
                struct stat info {};
                if (::fstat(fd.get(), &info) != 0) return fail_errno("look up blob \"" + kept + "\"");
                plan_.blobs[kept] = {SavedBlob::From::store, kept, info.st_size};
                return Json{{"mediaType", type}, {"digest", kept}, {"size", info.st_size}};
            }
            return plain({SavedBlob::From::plain, kept, 0}, diff_id);
        }
        return plain({SavedBlob::From::layer, record.image->layers[index], 0}, diff_id);
    }

    bool whole(const Attestation& attestation) const {
        return sources_.blobs.has(attestation.digest) &&
               std::all_of(attestation.blobs.begin(), attestation.blobs.end(),
                           [&](const LayerBlob& blob) { return sources_.blobs.has(blob.digest); });
    }
    void add(const Attestation& attestation) {
        plan_.blobs[attestation.digest] = {SavedBlob::From::store, attestation.digest, attestation.size};
        for (const LayerBlob& blob : attestation.blobs)
            plan_.blobs[blob.digest] = {SavedBlob::From::store, blob.digest, blob.size};
    }

    // Only an index tells what is attested by what.
    void make_index(const Json& config, SavedImage& saved) {
        Json entry{{"mediaType", saved.manifest_type},
                   {"digest", saved.manifest},
                   {"size", plan_.blobs.at(saved.manifest).size},
                   {"platform", Json::object()}};
        for (const char* key : {"os", "architecture", "variant"})
            if (auto text = member<std::string>(config, key); !text.empty()) entry["platform"][key] = text;
        Json manifests = Json::array({std::move(entry)});
        for (const Attestation& one : saved.attestations) {
            manifests.push_back(attestation_entry(one, saved.manifest));
            add(one);
        }
        const std::string text =
            Json{{"schemaVersion", 2}, {"mediaType", media::index}, {"manifests", std::move(manifests)}}.dump();
        saved.made_index = digest_of(text);
        plan_.blobs[saved.made_index] = {SavedBlob::From::text, text, static_cast<std::int64_t>(text.size())};
    }

    // Its size has to be known before its first byte is written: it is read twice.
    Result<Json> plain(SavedBlob blob, const std::string& diff_id) {
        if (auto known = plan_.blobs.find(diff_id); known == plan_.blobs.end()) {
            GANTRY_TRY(auto source, open_saved(sources_, blob));
            GANTRY_TRY(blob.size, measure(*source, diff_id));
            plan_.blobs[diff_id] = blob;
        }
        return Json{{"mediaType", media::layer}, {"digest", diff_id}, {"size", plan_.blobs[diff_id].size}};
    }

    Result<void> manifest(const Record& record, SavedImage& saved, std::int64_t config_size) {
        if (!record.manifest.empty() && sources_.blobs.has(record.manifest)) {
            GANTRY_TRY(std::string text, sources_.blobs.read(record.manifest, max_document_bytes));
            GANTRY_TRY(Json original, parse_document(text, "manifest " + record.manifest));
            if (names_the_same(original, saved)) {
                saved.manifest = record.manifest;
                saved.manifest_type = member<std::string>(original, "mediaType", std::string(media::manifest));
                plan_.blobs[saved.manifest] = {SavedBlob::From::store, saved.manifest,
                                               static_cast<std::int64_t>(text.size())};
                return {};
            }
        }
        const Json made{{"schemaVersion", 2},
                        {"mediaType", media::manifest},
                        {"config", {{"mediaType", media::config}, {"digest", saved.id}, {"size", config_size}}},
                        {"layers", saved.layers}};
        const std::string text = made.dump();
        saved.manifest = digest_of(text);
        saved.manifest_type = media::manifest;
        plan_.blobs[saved.manifest] = {SavedBlob::From::text, text, static_cast<std::int64_t>(text.size())};
        return {};
    }

    static bool names_the_same(const Json& manifest, const SavedImage& saved) {
        if (!manifest.is_object() || !manifest.contains("layers") || !manifest["layers"].is_array()) return false;
        const Json& layers = manifest["layers"];
        if (layers.size() != saved.layers.size()) return false;
        for (std::size_t i = 0; i < layers.size(); ++i)
            if (!layers[i].is_object() || member<std::string>(layers[i], "digest") != saved.layers[i]["digest"])
                return false;
        return true;
    }

    const SaveSources& sources_;
    Pins::Hold& hold_;
    SavePlan plan_;
};

}  // namespace

Result<std::unique_ptr<ByteSource>> open_saved(const SaveSources& sources, const SavedBlob& blob) {
    switch (blob.from) {
    case SavedBlob::From::text: return std::unique_ptr<ByteSource>(std::make_unique<Text>(blob.source));
    case SavedBlob::From::layer: return layer_diff(sources.layers, blob.source);
    case SavedBlob::From::store:
    case SavedBlob::From::plain: break;
    }
    GANTRY_TRY(UniqueFd fd, sources.blobs.open_blob(blob.source));
    if (blob.from == SavedBlob::From::store) return source_of(std::move(fd));
    return decompressed(source_of(std::move(fd)));
}

Result<SavePlan> plan_save(const SaveSources& sources, const SaveWish& wanted, Pins::Hold& hold) {
    Planner planner(sources, hold);
    // By id, so that the same images give the same bytes.
    std::map<std::string, std::set<std::string>> images = wanted.images;
    for (const auto& [digest, index] : wanted.indexes)
        for (const std::string& id : index.images) images[id];
    for (const auto& [id, tags] : images) GANTRY_CHECK(planner.image(id, tags, wanted.images.contains(id)));
    for (const auto& [digest, index] : wanted.indexes) GANTRY_CHECK(planner.index(digest, index));
    return planner.take();
}

}  // namespace gantry::image
