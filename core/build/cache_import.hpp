// What a build takes over from caches elsewhere: their records are known from the begin, their layers are fetched when a step
// needs them. Thread-safe.
#pragma once
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/build/cache.hpp"
#include "core/build/cache_store.hpp"
#include "core/build/listener.hpp"

namespace gantry::build {

class CacheImport {
public:
    // All outlive it. `listener` is told of layers that are fetched; nullptr: nobody is.
    CacheImport(image::ImageStore& images, ResultCache& cache, Listener* listener = nullptr)
        : images_(images), cache_(cache), listener_(listener) {}

    // Reads what the source tells, which is then asked for layers. `name`: for messages. GANTRY_UNSUPPORTED, GANTRY_INVALID,
    // GANTRY_NOT_FOUND: nothing is taken over.
    Result<void> add(std::string name, std::unique_ptr<CacheSource> source, const std::string& manifest,
                     const Cancel& cancel);

    // What is known of a step over the layer `parent`, whose own layer need not be here.
    std::optional<CachedResult> find(const std::string& key, const std::string& parent);
    // A build's step has this result, whose layer is not here: it is recorded as told of, and anew once the layer has come.
    void use(const CachedResult& result);
    // The same of a result that this engine was told of by an earlier import and nobody has the layer of now. False: it is not to
    // be used.
    bool use_told(const CachedResult& result);
    void refuse_told();
    // The layer `key` and all below it are here afterwards; nothing is done for one that no cache tells of. An error other
    // than a cancel breaks the import.
    Result<void> need(const std::string& key, const Cancel& cancel);

    // It promised a layer that it could not give: the build is to begin anew. Says why.
    bool broken();
    // Knows from then on only what it can do: less with every call. Gives what there is to say about it, or "".
    std::string begin_anew();
    bool dropped();

    // Where a layer's blob is, for a cache that is written; none where no import tells of it.
    struct Origin {
        CacheBlob blob;
        std::shared_ptr<CacheSource> source;
    };
    std::optional<Origin> origin_of(const std::string& key);
    // Of a layer that was fetched, as it is here.
    std::optional<std::int64_t> size_of(const std::string& key);

private:
    struct Source {
        std::string name;
        std::shared_ptr<CacheSource> source;
    };
    struct Layer {
        CacheLayer layer;
        std::size_t source = 0;
    };
    struct Known {
        std::string layer, description;
        std::int64_t created_ns = 0;
    };
    void drop();
    Result<void> fetch(const Layer& wanted, const Cancel& cancel);
    Result<void> arrived(const std::string& key, std::int64_t size);

    image::ImageStore& images_;
    ResultCache& cache_;
    Listener* const listener_;
    std::mutex fetching_;  // one layer at a time: sources answer one question at a time
    std::mutex mutex_;     // all below
    std::vector<Source> sources_;
    std::map<std::string, Layer> layers_;  // by chain id
    std::map<std::string, std::vector<Known>> records_;
    std::map<std::string, std::vector<CachedResult>> used_;  // by layer, until it is here
    std::map<std::string, std::int64_t> sizes_;              // of what is here, by layer
    std::set<std::string> kept_;                             // keys of what the engine was told of
    std::map<std::string, std::string> told_;                // layers that nobody has, with those below them
    std::set<std::string> refused_;                          // those of them that were needed
    bool refuse_told_ = false;
    std::optional<std::string> lacking_;  // the one of told_ that is needed
    std::optional<std::string> broken_;
    bool dropped_ = false;
};

}  // namespace gantry::build
