#include "core/image/registry/artifact.hpp"

#include <fcntl.h>
#include <unistd.h>

#include "core/base/clock.hpp"
#include "core/base/files.hpp"
#include "core/image/registry/names.hpp"

namespace gantry::image::registry {
namespace {

constexpr std::int64_t tell_every_ns = 100'000'000;

}  // namespace

Result<std::string> Artifact::document(const Descriptor& descriptor) {
    GANTRY_TRY(auto remote, sources_->get(source_));
    return remote->document(descriptor);
}

Result<UniqueFd> Artifact::blob(const Descriptor& descriptor, const std::function<void(std::int64_t)>& moved,
                                const Cancelled& cancelled) {
    const int side_by_side = service_.settings().downloads;
    for (bool joined = true; joined;) {
        auto place = service_.downloads->get(descriptor, sources_, source_, side_by_side);
        joined = place.joined();
        Result<void> come;
        for (;;) {
            // Whoever is told may be slow: not from within the wait, which holds up the download.
            const std::int64_t until = monotonic_ns() + tell_every_ns;
            come = place.get()->wait([&] { return cancelled() || monotonic_ns() > until; });
            if (come || cancelled() || place.get()->state() == Download::State::failed) break;
            moved(place.get()->received());
        }
        if (!come) {
            if (joined && !cancelled()) continue;  // someone else's, which has failed for reasons of theirs
            return std::move(come).error();
        }
        moved(descriptor.size);
        GANTRY_TRY(UniqueFd file, open_file("/proc/self/fd/" + std::to_string(place.get()->fd()), O_RDONLY));
        // A pull that wants the same blob links it by its name.
        if (place.alone()) service_.partials->discard(descriptor.digest);
        return file;
    }
    return fail(Code::internal, "no download of " + descriptor.digest);
}

Result<void> ArtifactUpload::open(const std::string& host, const std::string& repository, std::string reference,
                                  const Credentials& credentials) {
    GANTRY_TRY(auto session, Session::open(transport_, host, "", credentials));
    upload_ = std::make_unique<Upload>(std::shared_ptr<Session>(std::move(session)), repository);
    reference_ = std::move(reference);
    return {};
}

Result<void> ArtifactUpload::blob(const std::string& digest, int fd, std::int64_t size,
                                  const std::function<void(std::int64_t)>& moved) {
    GANTRY_CHECK(upload_->blob(digest, fd, size, moved));
    moved(size);
    return {};
}

Result<void> ArtifactUpload::manifest(const std::string& media_type, const std::string& text) {
    return upload_->manifest(reference_, media_type, text, digest_of(text));
}

Result<std::unique_ptr<Artifact>> Service::artifact(const std::string& reference, const Credentials& credentials,
                                                    const Cancelled& cancelled) {
    GANTRY_TRY(Reference parsed, parse_reference(reference));
    const Location location = location_of(parsed.name);
    auto sources = std::make_shared<Sources>(impl_->settings(), location.host, location.repository, credentials,
                                             impl_->until_stopped(cancelled));
    ScopeGuard detach([&] { sources->detach(); });
    // The registry itself knows what was pushed last; a mirror may be all that can be reached.
    std::optional<Error> failed;
    for (std::size_t i = sources->count(); i-- > 0;) {
        auto manifest = [&]() -> Result<Remote::Raw> {
            GANTRY_TRY(auto remote, sources->get(i));
            return remote->raw_manifest(parsed.digest.empty() ? parsed.tag : parsed.digest);
        }();
        if (manifest) {
            detach.dismiss();
            return std::make_unique<Artifact>(*impl_, std::move(sources), i, std::move(*manifest));
        }
        if (!failed) failed = std::move(manifest).error();
    }
    return std::move(*failed);
}

Result<std::unique_ptr<ArtifactUpload>> Service::upload(const std::string& reference, const Credentials& credentials,
                                                        const Cancelled& cancelled) {
    GANTRY_TRY(Reference parsed, parse_reference(reference));
    if (!parsed.digest.empty()) return fail(Code::invalid, "\"" + reference + "\": nothing can be pushed to a digest");
    const Location location = location_of(parsed.name);
    auto upload = std::make_unique<ArtifactUpload>(impl_->settings(), impl_->until_stopped(cancelled));
    GANTRY_CHECK(upload->open(location.host, location.repository, parsed.tag, credentials));
    return upload;
}

}  // namespace gantry::image::registry
