// One repository of one registry, read: manifests, blobs, tags. What comes is checked against its digest and size before
// anything else is done with it.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/image/registry/manifest.hpp"
#include "core/image/registry/session.hpp"

namespace gantry::image::registry {

class Remote {
public:
    Remote(std::shared_ptr<Session> session, std::string repository)
        : session_(std::move(session)), repository_(std::move(repository)) {}

    // By tag or digest. With a digest the bytes have it; with `size` they have that too. What the registry says of
    // their digest must be true. GANTRY_NOT_FOUND, GANTRY_DENIED in the registry's words.
    Result<Manifest> manifest(const std::string& reference, std::optional<std::int64_t> size = {});
    // The same as it came, whatever it is: its bytes and the "Content-Type".
    struct Raw {
        std::string text, media_type, digest;
    };
    Result<Raw> raw_manifest(const std::string& reference, std::optional<std::int64_t> size = {});
    // A small blob, whole: 4 MiB at most.
    Result<std::string> document(const Descriptor& descriptor);
    // One attempt at a blob's bytes from `offset` on. `restart` is told before the first byte where the registry sends
    // the blob from its beginning all the same.
    Outcome blob(const Descriptor& descriptor, std::int64_t offset, const std::function<Result<void>()>& restart,
                 std::function<Result<void>(std::string_view)> sink);
    // Every tag, in the registry's order; 10,000 at most.
    Result<std::vector<std::string>> tags();

    Session& session() { return *session_; }
    const std::string& repository() const { return repository_; }
    std::string path(const std::string& rest) const { return "/v2/" + repository_ + rest; }

private:
    std::shared_ptr<Session> session_;
    const std::string repository_;
};

struct Resolved {
    std::string digest;      // of what the reference names: perhaps an index's
    std::string media_type;  // and its type
    std::int64_t size = 0;
    Manifest manifest;  // of the image
    std::string config_text;
    Json config;
    Platform platform;
    std::vector<Descriptor> attestations;  // those that its index has of it
    std::string index_text;                // of the index that was named, where it has nothing but the image and these
};
// Of an index, the image that fits best. `wanted`: nothing where this machine's platform will do; then an image that
// stands alone may be of any. GANTRY_NOT_FOUND: none fits; the text lists what there is.
Result<Resolved> resolve(Remote& remote, const std::string& reference, const std::optional<Platform>& wanted);

// "</v2/_catalog?n=5&last=b>; rel=next": the URL within the brackets, "" for none.
std::string next_page(const std::string& link_header);

}  // namespace gantry::image::registry
