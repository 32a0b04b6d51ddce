// One repository of one registry, written: blobs that it lacks, and manifests. Thread-safe.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "core/image/registry/session.hpp"

namespace gantry::image::registry {

class Upload {
public:
    Upload(std::shared_ptr<Session> session, std::string repository)
        : session_(std::move(session)), repository_(std::move(repository)) {}

    Result<bool> has(const std::string& digest);
    // Asks the registry to take the blob over from another repository of its own; false where it does not.
    Result<bool> mount(const std::string& digest, const std::string& from);
    // `fd`: the blob's file, read by offset. Small ones go as one piece; of larger ones, what a broken connection has
    // brought there is not sent again. `sent` is told the bytes so far.
    Result<void> blob(const std::string& digest, int fd, std::int64_t size,
                      const std::function<void(std::int64_t)>& sent);
    // Gives what the registry answers with must be: the digest of `text`.
    Result<void> manifest(const std::string& reference, const std::string& media_type, const std::string& text,
                          const std::string& digest);

    Session& session() { return *session_; }
    const std::string& repository() const { return repository_; }

private:
    struct Progress {
        Url location;
        std::int64_t offset = 0;
    };
    Url url(const std::string& rest) const;
    std::string what(const std::string& digest) const;
    Result<Progress> begin();
    // Where an upload that broke off goes on; a new one where the registry has lost it.
    Result<Progress> go_on(const Url& location, std::int64_t size);
    Result<Url> location_of(const HttpResponse& response, const Url& base) const;

    std::shared_ptr<Session> session_;
    const std::string repository_;
};

}  // namespace gantry::image::registry
