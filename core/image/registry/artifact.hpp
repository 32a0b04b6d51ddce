// What is no image in a registry, a build's cache for one: a manifest and blobs, read and written by who knows their meaning.
// Any thread, one at a time.
#pragma once
#include "core/image/registry/service_impl.hpp"
#include "core/image/registry/upload.hpp"

namespace gantry::image::registry {

class Artifact {
public:
    // `source`: the one of them that gave the manifest.
    Artifact(Service::Impl& service, std::shared_ptr<Sources> sources, std::size_t source, Remote::Raw manifest)
        : service_(service), sources_(std::move(sources)), source_(source), manifest_(std::move(manifest)) {}
    ~Artifact() { sources_->detach(); }
    Artifact(const Artifact&) = delete;
    Artifact& operator=(const Artifact&) = delete;

    // The manifest's own bytes: of the digest that was asked for, or that the registry told; their meaning is unproven.
    const std::string& manifest() const { return manifest_.text; }
    // A small blob, 4 MiB at most, proven by size and digest.
    Result<std::string> document(const Descriptor& descriptor);
    // A blob of any size in a file, proven by size and digest; read from its beginning. A broken connection is gone on with.
    // `moved` is told how much of it has come, about ten times a second.
    Result<UniqueFd> blob(const Descriptor& descriptor, const std::function<void(std::int64_t)>& moved,
                          const Cancelled& cancelled);

private:
    Service::Impl& service_;
    std::shared_ptr<Sources> sources_;
    const std::size_t source_;
    const Remote::Raw manifest_;
};

class ArtifactUpload {
public:
    ArtifactUpload(const Settings& settings, const Cancelled& cancelled)
        : settings_(settings), transport_(settings_, cancelled) {}
    ArtifactUpload(const ArtifactUpload&) = delete;
    ArtifactUpload& operator=(const ArtifactUpload&) = delete;

    Result<void> open(const std::string& host, const std::string& repository, std::string reference,
                      const Credentials& credentials);
    Result<bool> has(const std::string& digest) { return upload_->has(digest); }
    // `moved` is told the bytes so far.
    Result<void> blob(const std::string& digest, int fd, std::int64_t size,
                      const std::function<void(std::int64_t)>& moved);
    // Last: what it names must be there.
    Result<void> manifest(const std::string& media_type, const std::string& text);

private:
    const Settings settings_;
    Transport transport_;
    std::unique_ptr<Upload> upload_;
    std::string reference_;
};

}  // namespace gantry::image::registry
