// A build's cache in a registry, with the client's credentials.
#include <fcntl.h>

#include "core/base/files.hpp"
#include "core/daemon/api/build.hpp"
#include "core/image/media_types.hpp"
#include "core/image/registry/artifact.hpp"
#include "core/image/registry/names.hpp"

namespace gantry::daemon {
namespace {

using image::registry::Artifact;
using image::registry::ArtifactUpload;
using image::registry::Descriptor;

Descriptor descriptor_of(const build::CacheBlob& blob) { return {blob.media_type, blob.digest, blob.size, {}, false}; }

class RegistryCacheSource final : public build::CacheSource {
public:
    explicit RegistryCacheSource(std::unique_ptr<Artifact> artifact) : artifact_(std::move(artifact)) {}
    Result<std::string> manifest(const build::Cancel&) override { return artifact_->manifest(); }
    Result<std::string> document(const build::CacheBlob& blob, const build::Cancel&) override {
        return artifact_->document(descriptor_of(blob));
    }
    Result<UniqueFd> blob(const build::CacheBlob& blob, const build::BlobMoved& moved,
                          const build::Cancel& cancel) override {
        return artifact_->blob(descriptor_of(blob), moved, [&cancel] { return cancel.cancelled(); });
    }

private:
    std::unique_ptr<Artifact> artifact_;
};

class RegistryCacheTarget final : public build::CacheTarget {
public:
    explicit RegistryCacheTarget(std::unique_ptr<ArtifactUpload> upload, std::string scratch)
        : upload_(std::move(upload)), scratch_(std::move(scratch)) {}
    Result<bool> has(const build::CacheBlob& blob) override { return upload_->has(blob.digest); }
    Result<void> put(const build::CacheBlob& blob, int file, const build::BlobMoved& moved,
                     const build::Cancel&) override {
        return upload_->blob(blob.digest, file, blob.size, moved);
    }
    Result<void> finish(const std::string& manifest, const std::string& config, const build::Cancel&) override {
        const std::string digest = image::digest_of(config);
        GANTRY_TRY(bool there, upload_->has(digest));
        if (!there) {
            GANTRY_TRY(UniqueFd file, open_file(scratch_, O_TMPFILE | O_RDWR));
            GANTRY_CHECK(write_all(file.get(), config));
            GANTRY_CHECK(
                upload_->blob(digest, file.get(), static_cast<std::int64_t>(config.size()), [](std::int64_t) {}));
        }
        return upload_->manifest(std::string(image::media::manifest), manifest);
    }

private:
    std::unique_ptr<ArtifactUpload> upload_;
    const std::string scratch_;
};

Result<image::registry::Credentials> credentials_for(const std::string& reference, build::Client& client) {
    GANTRY_TRY(image::Reference parsed, image::parse_reference(reference));
    GANTRY_TRY(build::RegistryLogin login, client.login(image::registry::location_of(parsed.name).host));
    image::registry::Credentials credentials;
    credentials.user = login.username;
    credentials.password = login.password;
    credentials.identity_token = login.identity_token;
    return credentials;
}

}  // namespace

build::CacheRegistries registry_caches(Deps& deps, std::string scratch) {
    build::CacheRegistries caches;
    caches.source = [&deps](const std::string& reference, build::Client& client,
                            build::Cancel& cancel) -> Result<std::unique_ptr<build::CacheSource>> {
        GANTRY_TRY(auto credentials, credentials_for(reference, client));
        GANTRY_TRY(auto artifact,
                   deps.registries->artifact(reference, credentials, [&cancel] { return cancel.cancelled(); }));
        return std::unique_ptr<build::CacheSource>(std::make_unique<RegistryCacheSource>(std::move(artifact)));
    };
    caches.target = [&deps, scratch](const std::string& reference, build::Client& client,
                                     build::Cancel& cancel) -> Result<std::unique_ptr<build::CacheTarget>> {
        GANTRY_TRY(auto credentials, credentials_for(reference, client));
        GANTRY_TRY(auto upload,
                   deps.registries->upload(reference, credentials, [&cancel] { return cancel.cancelled(); }));
        return std::unique_ptr<build::CacheTarget>(std::make_unique<RegistryCacheTarget>(std::move(upload), scratch));
    };
    return caches;
}

}  // namespace gantry::daemon
