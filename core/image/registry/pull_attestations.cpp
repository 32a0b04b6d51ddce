#include "core/image/registry/pull_attestations.hpp"

#include <sys/stat.h>

#include "core/base/text.hpp"
#include "core/image/strict_json.hpp"

namespace gantry::image::registry {

Result<void> AttestationPull::judge(const Error& failed) {
    if (cancelled_()) return fail(Code::cancelled, "the pull is cancelled");
    // Mirrors and copies of one platform often lack them, and an image runs without.
    if (failed.code != Code::exhausted && failed.code != Code::not_found) return failed;
    left_out_.push_back(failed.text);
    return {};
}

Result<std::string> AttestationPull::manifest_text(const Descriptor& entry) {
    if (entry.size > static_cast<std::int64_t>(max_document_bytes))
        return fail(Code::exhausted, "attestation " + entry.digest + ": a manifest of more than 4 MiB");
    if (auto here = service_.store().blobs.read(entry.digest, max_document_bytes)) return here;
    GANTRY_TRY(auto remote, sources_->get(source_));
    GANTRY_TRY(Remote::Raw raw, remote->raw_manifest(entry.digest, entry.size));
    const std::string type = to_lower(trim(raw.media_type.substr(0, raw.media_type.find(';'))));
    if (type != entry.media_type)
        return fail(Code::invalid, "attestation " + entry.digest + " is of the type " +
                                       quote_json(type.substr(0, 200)) + ", not " + quote_json(entry.media_type) +
                                       " as its index says");
    return std::move(raw.text);
}

Result<void> AttestationPull::begin(const LayerBlob& blob, Pins::Hold& hold) {
    if (auto known = parts_.find(blob.digest); known != parts_.end()) {
        if (known->second.blob.size == blob.size) return {};
        return fail(Code::invalid, "the size of the blob \"" + blob.digest + "\" is told twice, differently");
    }
    Part part{{"", blob.digest, blob.size}};
    hold.add(blob.digest);
    auto& blobs = service_.store().blobs;
    if (blobs.has(blob.digest)) {
        GANTRY_TRY(UniqueFd file, blobs.open_blob(blob.digest));
        struct stat info {};
        if (::fstat(file.get(), &info) != 0) return fail_errno("look up the blob " + blob.digest);
        if (info.st_size != blob.size)
            return fail(Code::invalid, "blob " + blob.digest + ": its size is " + std::to_string(info.st_size) +
                                           ", but an attestation says " + std::to_string(blob.size));
    } else {
        part.place.emplace(service_.downloads->get(part.blob, sources_, source_, side_by_side_));
    }
    parts_.emplace(blob.digest, std::move(part));
    return {};
}

Result<void> AttestationPull::add(const Descriptor& entry, const std::string& image, Pins::Hold& hold) {
    hold.add(entry.digest);
    GANTRY_TRY(std::string text, manifest_text(entry));
    GANTRY_TRY(auto document, parse_attestation(text, entry.digest, entry.media_type, image));
    Attestation attestation{entry.digest, entry.media_type, entry.size, std::move(document.blobs)};
    if (static_cast<std::int64_t>(text.size()) != entry.size)
        return fail(Code::invalid, "attestation " + entry.digest + " has " + std::to_string(text.size()) +
                                       " bytes, not " + std::to_string(entry.size) + " as its index says");
    GANTRY_CHECK(fits_beside(kept_, attestation));
    for (const LayerBlob& blob : attestation.blobs) GANTRY_CHECK(begin(blob, hold));
    texts_[entry.digest] = std::move(text);
    kept_.push_back(std::move(attestation));
    return {};
}

Result<void> AttestationPull::begin(const Resolved& resolved, Pins::Hold& hold) {
    for (const Descriptor& entry : resolved.attestations) {
        // What is beyond the number that is kept is not even asked for.
        auto added = fits_beside(kept_, {entry.digest, entry.media_type, 0, {}});
        if (added) added = add(entry, resolved.manifest.digest, hold);
        if (!added) GANTRY_CHECK(judge(added.error()));
    }
    return {};
}

Result<void> AttestationPull::settle(Part& part) {
    while (part.place) {
        auto done = part.place->get()->wait(cancelled_);
        if (done || cancelled_() || !part.place->joined()) return done;
        part.place.reset();
        part.place.emplace(service_.downloads->get(part.blob, sources_, source_, side_by_side_));
    }
    return {};
}

Result<void> AttestationPull::take(ImageStore::Impl::Made& made) {
    std::vector<Attestation> whole;
    for (Attestation& one : kept_) {
        Result<void> come;
        for (const LayerBlob& blob : one.blobs)
            if (come) come = settle(parts_.at(blob.digest));
        if (!come) {
            GANTRY_CHECK(judge(come.error()));
            continue;
        }
        for (const LayerBlob& blob : one.blobs)
            if (Part& part = parts_.at(blob.digest); part.place)
                GANTRY_CHECK(made.file(service_.partials->path_of(blob.digest), part.place->get()->fd(), blob.digest));
        GANTRY_CHECK(made.blob(one.digest, texts_.at(one.digest)));
        whole.push_back(std::move(one));
    }
    kept_ = std::move(whole);
    return {};
}

void AttestationPull::discard_partials() {
    for (const auto& [digest, part] : parts_)
        if (part.place) service_.partials->discard(digest);
}

}  // namespace gantry::image::registry
