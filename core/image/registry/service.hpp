// Registries as the engine uses them: pull, push, search, login and inspection. Every call blocks for as long as it takes;
// any thread.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/image/image_store.hpp"
#include "core/image/registry/credentials.hpp"
#include "core/image/registry/platform.hpp"
#include "core/image/registry/settings.hpp"

namespace gantry::image::registry {

// Asked while a call is under way, from any thread, until it returns: true ends it with GANTRY_CANCELLED.
using Cancelled = std::function<bool()>;

struct PullRequest {
    std::string name;                  // as users know it: "debian"
    std::string tag, digest;           // with a digest the tag is of no account; neither: every tag there is
    std::optional<Platform> platform;  // nothing: this machine's
    Credentials credentials;
    bool spare_others = false;  // a tag that names an image for another platform here keeps it
};
struct Pulled {
    std::string id, reference;  // "debian:12"
    bool newer = false;         // the reference named something else here before
};

struct PushRequest {
    std::string name, tag;  // tag "": every tag of that name here
    std::optional<Platform> platform;
    Credentials credentials;
};
struct Pushed {
    std::string tag, digest;
    std::int64_t size = 0;  // of the manifest
};

struct SearchRequest {
    std::string term;  // with a registry in front: there
    int limit = 25;
    std::optional<bool> official, automated;
    int stars = 0;
    Credentials credentials;
};

class Artifact;
class ArtifactUpload;

class Service {
public:
    // `images` outlives it; `root` is the directory that it was opened with; `settings` is asked at the begin of each call.
    static Result<std::unique_ptr<Service>> open(ImageStore& images, const std::string& root,
                                                 std::function<Settings()> settings);
    ~Service();

    // The image, wholly here and tagged, or nothing: no tag, no layer. What was downloaded of it stays for the next try.
    // Every blob and layer is checked against its digest. Layers that are here already are not fetched; two pulls at
    // once share what both want. Progress in Docker's words.
    Result<std::vector<Pulled>> pull(const PullRequest& request, const Progress& progress, const Cancelled& cancelled);
    // Sends what the registry lacks. Layers of which only the unpacked files are here are compressed once, and their
    // blobs kept.
    Result<std::vector<Pushed>> push(const PushRequest& request, const Progress& progress, const Cancelled& cancelled);
    // SearchResponse[]. A registry without a search of its own lists its repositories, of which those with the term in
    // their names are given.
    Result<Json> search(const SearchRequest& request, const Cancelled& cancelled);
    // Checks the credentials; gives an identity token to keep in place of the password, or "". GANTRY_DENIED: wrong.
    Result<std::string> login(const std::string& server, const Credentials& credentials, const Cancelled& cancelled);
    // {"Descriptor", "Platforms"} of what a reference names in its registry; nothing is kept.
    Result<Json> inspect(const std::string& reference, const Credentials& credentials, const Cancelled& cancelled);
    // The manifest that a reference names in its registry, an index too: its own bytes, over which its digest is. Nothing is
    // kept.
    Result<std::string> manifest(const std::string& reference, const Credentials& credentials,
                                 const Cancelled& cancelled);
    // What a reference names in its registry, of whatever kind, for who knows what it is (artifact.hpp). It asks `cancelled` as
    // long as it lives, and the service outlives it.
    Result<std::unique_ptr<Artifact>> artifact(const std::string& reference, const Credentials& credentials,
                                               const Cancelled& cancelled);
    // Such a thing that is to be written.
    Result<std::unique_ptr<ArtifactUpload>> upload(const std::string& reference, const Credentials& credentials,
                                                   const Cancelled& cancelled);
    // Ends what is under way, from now on. Any thread.
    void stop();

    struct Impl;

private:
    explicit Service(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace gantry::image::registry
