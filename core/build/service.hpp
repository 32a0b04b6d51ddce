// Builds, the engine's side: from a graph to images and files, the cache between them, and what is left of it. Methods are
// thread-safe and block (worker threads only).
#pragma once
#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/build/cache_from.hpp"
#include "core/build/context_store.hpp"
#include "core/build/facilities.hpp"
#include "core/build/image_output.hpp"
#include "core/build/listener.hpp"
#include "core/build/sources.hpp"

namespace gantry::build {

// "build" of gantry.json.
struct BuildSettings {
    std::int64_t cache_max_size = 0;     // bytes, 0: no limit
    std::int64_t cache_max_age_ns = 0;   // 0: no limit
    std::set<std::string> entitlements;  // that clients may ask for: network.host, security.insecure
    int parallel = 0;                    // steps of one build at a time; 0: as many as there are processors, 2 at least
    bool operator==(const BuildSettings&) const = default;
};

struct Collaborators {
    store::Store& store;
    image::ImageStore& images;
    std::shared_ptr<driver::Driver> layers;
    std::function<Result<container::TaskEnd>(container::Task, const container::OnTaskStart&)> run_task;
    image::Spawner spawn;
    // Deletes the layers that nothing names any more; gives the bytes freed.
    std::function<Result<std::int64_t>()> collect_garbage;
    CacheRegistries caches = {};
};

struct BuildRequest {
    std::vector<std::string> tags;
    std::vector<Output> outputs;                     // none: an image
    std::map<std::string, std::string> annotations;  // of the manifest
    bool inline_cache = false;                       // the image's configuration tells which steps made its layers
    std::vector<CachePlace> cache_to;
    StepSettings steps;
};

// What a build has from caches elsewhere, and who hears of what is wrong with them.
struct CacheUse {
    CacheImport* imported = nullptr;
    CacheWarning warn = {};
};

struct Built {
    std::string id;      // of the image config, or of the index; "" where only files of several platforms came out
    std::string digest;  // of the manifest or index, "" where none was made
    std::vector<std::string> tags;
};

struct BuildFailure {
    Error error;
    std::optional<StepId> step;
    int exit_code = 0;  // of the process that failed, 0: none did
};

class BuildService {
public:
    // `root`, `run`: directories of its own, which are made.
    static Result<std::unique_ptr<BuildService>> open(std::string root, std::string run, BuildSettings settings,
                                                      Collaborators with);
    ~BuildService();
    // Sweeps what builds of an engine that was killed left; once, when no task of theirs runs any more.
    void recover();
    void adjust(BuildSettings settings);
    // The engine ends: what is under way is cancelled, what comes is refused. Any thread.
    void close();
    // While it lives, close() calls `end`; at once where that has been.
    class Guest {
    public:
        Guest(BuildService& service, std::function<void()> end) : watch_(service.closing_, std::move(end)) {}

    private:
        Cancel::Watch watch_;
    };

    // The failure goes to *failure where it is of a step.
    Result<Built> build(const Graph& graph, const BuildRequest& request, Client& client, Listener& listener,
                        Cancel& cancel, BuildFailure* failure, const CacheUse& caches = {});
    // Takes over what these places have of caches, for one build, whose listener outlives it. GANTRY_CANCELLED alone: the others
    // are warned of.
    Result<std::unique_ptr<CacheImport>> import_caches(const std::vector<CachePlace>& from,
                                                       const std::function<Result<bool>(const CachePlace&)>& image,
                                                       Client& client, Listener& listener, const CacheWarning& warn,
                                                       Cancel& cancel);
    // What a client asks for, less what the engine does not allow: GANTRY_DENIED names it, GANTRY_INVALID an unknown one.
    Result<void> allow(const std::vector<std::string>& wanted, StepSettings* steps) const;
    // Takes over what an image's configuration tells of the steps that made its layers (BuildRequest::inline_cache). An image
    // without that is success.
    Result<void> import_cache(const image::Image& image);
    ContextStore& contexts() { return *contexts_; }
    Sources& sources() { return *sources_; }
    // An empty directory for what lasts as long as a build.
    Result<std::string> scratch_directory();

    // BuildCache[] of the API's df.
    Json usage();
    struct PruneFilters {
        bool all = true;                   // false: only what no image and no later step stands on
        std::int64_t unused_since_ns = 0;  // until
        std::int64_t keep_bytes = 0;
        std::int64_t min_free_bytes =
            0;  // so much is to be free on the disk afterwards, and no more goes than that takes
        std::set<std::string> ids, types;  // regular, exec.cachemount, source.local
    };
    // {"CachesDeleted": [..], "SpaceReclaimed": bytes}.
    Result<Json> prune(const PruneFilters& filters);
    std::vector<std::string> layers_in_use() { return cache_->layers(); }

private:
    BuildService(std::string root, std::string run, BuildSettings settings, Collaborators with);
    // All steps once, and what comes out.
    Result<Built> attempt(const Graph& graph, const BuildRequest& request, Client& client, Listener& listener,
                          Cancel& cancel, BuildFailure* failure, const CacheUse& caches, int parallel);
    Result<void> export_caches(const BuildRequest& request, const std::vector<struct Finished>& finished,
                               class BuildWorker& worker, Client& client, Listener& listener, const CacheUse& caches,
                               Cancel& cancel);
    BuildSettings settings() const;
    void prune_by_policy();

    const std::string root_, run_;
    // Waits until recover() has ended.
    Result<void> ready();

    mutable std::mutex mutex_;  // the three below
    std::condition_variable recovered_changed_;
    bool recovered_ = false;
    BuildSettings settings_;
    Collaborators with_;
    std::unique_ptr<ResultCache> cache_;
    std::unique_ptr<CacheMounts> cache_mounts_;
    std::unique_ptr<ContextStore> contexts_;
    std::unique_ptr<Sources> sources_;
    InFlight in_flight_;
    std::unique_ptr<Facilities> facilities_;
    Cancel closing_;
};

}  // namespace gantry::build
