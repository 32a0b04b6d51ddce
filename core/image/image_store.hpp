// Images: references, manifests, content-addressed blobs and their unpacked layers.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <gantry/json.hpp>
#include <gantry/result.hpp>

#include "core/archive/tar_writer.hpp"
#include "core/driver/driver.hpp"
#include "core/image/byte_source.hpp"
#include "core/store/store.hpp"

namespace gantry::image {

struct Image {
    std::string id;                         // "sha256:..." of the config blob
    std::vector<std::string> tags;          // "name:tag", sorted
    std::vector<std::string> repo_digests;  // "name@sha256:..."
    Json config;                            // OCI image config, whole document
    std::vector<std::string> layers;        // layer keys (chain ids), lowest first
    std::vector<std::int64_t> layer_sizes;  // bytes of each unpacked layer, as layers
    std::int64_t size = 0;                  // bytes of all unpacked layers
    std::int64_t created_ns = 0;            // config's "created"
    std::int64_t tagged_ns = 0;             // when it was last tagged or loaded here
    // The committed layer a container's own layer is prepared on; "" for an image without layers.
    std::string top_layer() const { return layers.empty() ? std::string() : layers.back(); }
};

// "name[:tag][@digest]" taken apart and completed: registry/repository, tag "latest" unless given.
struct Reference {
    std::string name;    // as the user knows it: "debian", "localhost:5000/web"
    std::string tag;     // "" only with a digest
    std::string digest;  // "sha256:..." or ""
    std::string text() const;
};
// GANTRY_INVALID with what is wrong ("invalid reference format: repository name must be lowercase").
Result<Reference> parse_reference(std::string_view text);

// Told of progress: Docker's JSON messages ({"status": ..} or {"stream": ".."}). May be called from any thread.
using Progress = std::function<void(const Json&)>;

struct Deleted {
    std::vector<std::string> untagged;  // "name:tag"
    std::vector<std::string> deleted;   // "sha256:..."
};

// A new image on top of one that is here.
struct CommitRequest {
    std::string base;       // id of the image
    Json config;            // the new image's "config"
    std::string reference;  // "": no name
    std::string author, comment, created_by;
};

// Keeps layers from being collected as garbage while no record names them yet. Thread-safe.
class LayerHold {
public:
    ~LayerHold();
    // Blocks while a layer of that key is just being removed. Twice is once.
    void add(const std::string& key);

private:
    friend class ImageStore;
    struct State;
    explicit LayerHold(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

// An image of layers that are committed already.
struct NewImage {
    std::string config;                     // the OCI image config, as text: its digest is the image's id
    std::vector<std::int64_t> layer_sizes;  // bytes of each unpacked layer, lowest first
    std::vector<std::string> tags;          // references
};

// An image for several platforms: an index and its images, of layers that are committed already.
struct NewIndex {
    struct Entry {
        std::string config;                     // as of NewImage
        std::vector<std::int64_t> layer_sizes;  // as of NewImage
        // {"mediaType", "digest", "size"} of each layer's blob, lowest first: the caller has put them into the store, and holds
        // them.
        std::vector<Json> layers;
        Json platform;  // {"os", "architecture", "variant"}
    };
    std::vector<Entry> entries;     // in the index's order; two at least
    std::vector<std::string> tags;  // references
};

class ImageStore {
public:
    // `root`: a directory of its own (blobs/). Reads what is there; damaged images are set aside (damage()), never
    // fatal. `layers` may be replaced per call in later versions; it is the default layer driver.
    static Result<std::unique_ptr<ImageStore>> open(std::string root, store::Store& store,
                                                    std::shared_ptr<driver::Driver> layers);
    ~ImageStore();

    // Reads an archive from `fd` to its end: docker-archive or OCI layout as tar, plain, gzip or zstd. Layers are
    // unpacked while it comes in; everything is checked (digests, sizes, limits) before it is linked. Of several images
    // all are loaded or none (Docker keeps those before the one that fails): failed, nothing is kept and no tag has
    // moved. Of an image for several platforms all that the archive has are kept. Gives the images' references ("name:tag", or the id of an untagged one).
    // `platforms`: which are taken, of images and of what an index names; none that is: GANTRY_NOT_FOUND. Empty: as above.
    struct Wanted {
        std::function<bool(const Json& platform)> fits =
            {};                 // {"os", "architecture", "variant"}, of an index or a config
        std::string text = {};  // for people: "linux/arm64"
    };
    Result<std::vector<std::string>> load(int fd, const Progress& progress, const Wanted& platforms);
    Result<std::vector<std::string>> load(int fd, const Progress& progress) { return load(fd, progress, {}); }
    // A root file system as tar (plain, gzip, zstd, xz) from `fd` becomes a one-layer image. `reference` may be empty.
    // `changes` are Dockerfile instructions (CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, USER, VOLUME, WORKDIR, STOPSIGNAL,
    // ONBUILD, HEALTHCHECK). `platform`: {"architecture", "variant"} of it; none: this machine's. Gives the id.
    Result<std::string> import(int fd, std::string_view reference, const std::vector<std::string>& changes,
                               std::string_view message, const Json& base_config, const Progress& progress,
                               const Json& platform = Json());
    // Writes images as one tar that is an OCI layout and a docker-archive at once; the same images give the same bytes.
    // `names`: "name:tag", "name" (all tags of that repository), ids, digests. Layers whose blob is kept go out byte for
    // byte, the others as plain tar. `platforms` ({"os","architecture","variant"}): the image must be for one of them, and of
    // an image for several platforms only those go out, one alone as an image; empty: any, and all. `begin` is called once, when all has been looked up and checked, and gives where the bytes go.
    Result<void> save(const std::vector<std::string>& names, const std::vector<Json>& platforms,
                      const std::function<archive::Sink()>& begin);
    // `layer` (a tar stream in OCI form, plain; nullptr: none) becomes the top layer of a new image. Gives its id.
    Result<std::string> commit(ByteSource* layer, const CommitRequest& request);
    // By "name[:tag]", "name@digest", id or unambiguous id prefix. Not found in Docker's words:
    // "No such image: name:tag".
    // Of an image for several platforms, which an index names, the one that fits this machine, or the first.
    Result<std::shared_ptr<const Image>> find(std::string_view name_or_id);
    // What a name stands for: of an image for several platforms the one of find() first, then the others that are here.
    struct Choices {
        std::vector<std::shared_ptr<const Image>> images;
        std::string index;  // the digest of the index, "" for an image alone
    };
    Result<Choices> choices(std::string_view name_or_id);
    // Of an image for several platforms, the one of find().
    std::vector<std::shared_ptr<const Image>> list();
    // Layers of the other images of indexes; those of list() are not among them, but where they share one.
    std::map<std::string, std::int64_t> layers_of_variants() const;
    // The manifest that an image came with, where it is kept: its OCI descriptor, and how many bytes it and what it names are.
    struct Manifest {
        Json descriptor;
        std::int64_t content_bytes = 0;
    };
    std::optional<Manifest> manifest_of(const std::string& id);
    // What in-toto statements attest of an image, in the order of its attestations: its own, not another platform's.
    struct Statement {
        Json descriptor;             // of the blob that it is
        std::string predicate_type;  // as the attestation tells; "" where it does not
    };
    Result<std::vector<Statement>> statements_of(const std::string& id);
    // One statement's own bytes. GANTRY_CORRUPT: they are gone or damaged, or no JSON object.
    Result<std::string> statement(const Statement& statement);
    Result<void> tag(std::string_view source, std::string_view target);
    // `in_use(id)` gives what uses the image ("container ID", "running container ID"), "" for nothing. force as Docker's
    // -f. By a digest reference: as by id, but other names keep the image.
    Result<Deleted> remove(std::string_view name_or_id, bool force, bool prune,
                           const std::function<std::string(const std::string& id)>& in_use);
    // Takes the image `id` out of what the tag stands for, which names an index; the index's own document stays as it is. False:
    // it is the only one, and nothing is done.
    Result<bool> remove_variant(std::string_view name, const std::string& id);
    // The image is being used, now: by a container that was made of it or has gone, or by a build. Of the last ten
    // minutes before a crash that may be forgotten.
    void mark_used(const std::string& id);
    // When that was, or when it came here; 0 for an unknown id.
    std::int64_t last_used(const std::string& id) const;
    std::vector<store::Damage> damage();
    // Deletes blobs and layers that no image and no key of `used_layers` needs. Gives the bytes freed. One at a time:
    // others wait.
    Result<std::int64_t> collect_garbage(const std::vector<std::string>& used_layers);
    // Gives the id. The layers are those of the config's diff ids: one that is not there is GANTRY_INTERNAL.
    Result<std::string> add(const NewImage& image);
    // Gives the digest of the index. All is recorded, or nothing.
    Result<std::string> add_index(const NewIndex& index);
    std::shared_ptr<LayerHold> hold_layers();
    // The plain tar that the layer of this chain id came in, decompressed on the way, where its blob is kept; nullptr
    // where only the unpacked layer is: then the layer driver's diff is that tar.
    Result<std::unique_ptr<ByteSource>> open_layer_tar(const std::string& key);
    // Unpacks a layer over `parent` ("" for none) from its blob, compressed or not; nothing is left where its plain tar has
    // another digest than `diff_id`. One that is there already is success. The caller holds it. Gives its bytes unpacked.
    Result<std::int64_t> add_layer(std::unique_ptr<ByteSource> blob, const std::string& parent,
                                   const std::string& diff_id);
    Result<bool> has_layer(const std::string& key) const;
    // Of one that is there: its bytes unpacked.
    Result<std::int64_t> layer_bytes(const std::string& key) const;
    // Says that another record than an image's now names layers (kind "build_result", member "layer"): a collection that
    // is under way looks again.
    void layers_kept();
    // The last collect_garbage() kept layers only because a container uses them: another one is worth its while as soon
    // as a container is gone.
    bool has_leftovers() const;

    // What core/image's own parts in other files work on (image_store_impl.hpp).
    struct Impl;
    Impl& parts() { return *impl_; }

private:
    explicit ImageStore(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace gantry::image
