// Does the steps of one build: looks each up in the cache, and does what is not there.
#pragma once
#include <atomic>
#include <mutex>

#include "core/build/cache_import.hpp"
#include "core/build/client.hpp"
#include "core/build/facilities.hpp"
#include "core/build/key.hpp"
#include "core/build/layers.hpp"
#include "core/build/sources.hpp"
#include "core/build/solver.hpp"

namespace gantry::build {

class BuildWorker final : public Worker {
public:
    // `imported`: caches from elsewhere.
    BuildWorker(const Graph& graph, const Facilities& with, const StepSettings& settings, Sources& sources,
                Client& client, Listener& listener, Cancel& cancel, CacheImport* imported)
        : graph_(graph),
          with_(with),
          settings_(settings),
          sources_(sources),
          client_(client),
          listener_(listener),
          cancel_(cancel),
          imported_(imported),
          layers_(with.layers, with.images.hold_layers()) {
        layers_.on_need([this](const std::string& key) { return imported_->need(key, cancel_); });
    }

    Result<Outcome> run(StepId step, const std::function<const Value&(StepId)>& input) override;
    // Of the process that ended the build; 0 where none did.
    int exit_code() const { return exit_code_; }
    Layers& layers() { return layers_; }
    // When the newest of what the build is made of was made: of a build that is wholly cached the same each time, so that
    // its image is, too. 0: nothing is known of it.
    std::int64_t newest_ns() const { return newest_ns_; }
    // The cache's keys of the step's result; none for a source.
    std::vector<std::string> keys_of(StepId step);
    // Of a layer that is here.
    std::int64_t size_of(const LayerRef& layer) const { return imported_->size_of(layer.key).value_or(layer.size); }
    // All that is known of the steps, in the order of the file.
    std::vector<CachedResult> results();

private:
    using Input = std::function<const Value&(StepId)>;
    Result<Outcome> source(StepId step, const ImageSource& image);
    Result<Outcome> source(StepId step, const ContextSource& context);
    Result<Outcome> source(StepId step, const HttpSource& http);
    Result<Outcome> source(StepId step, const GitSource& git);
    Result<Outcome> change(StepId step, const FileChange& change, const Input& input);
    Result<Outcome> exec(StepId step, const Exec& exec, const Input& input);

    Result<std::string> content_of(const Value& value, const CopyAction& action);
    Result<LayerRef> change_files(const FileChange& change, const std::string& parent, const Input& input);
    Result<LayerRef> linked(StepId step, const FileChange& change, const KeyInputs& inputs, const std::string& parent,
                            const Input& input);
    Result<Value> mount_source(const Mount& mount, const Input& input);
    // The result under `keys` (the first is looked up first), else `work`'s, recorded under all of them.
    Result<Outcome> cached(StepId step, const Value& base, const std::string& key,
                           const std::function<Result<std::string>()>& content_key,
                           const std::function<Result<LayerRef>()>& work);
    void note(StepId step, const CachedResult& result);
    struct Hit {
        CachedResult result;
        bool imported = false;  // its layer need not be here
    };
    std::optional<Hit> find(StepId step, const std::string& key, const std::string& parent);
    std::optional<Hit> find_imported(const std::string& key, const std::string& parent);
    std::optional<Hit> find_told(CachedResult found, const std::string& parent);
    Result<void> record(StepId step, const std::string& key, const std::string& parent, const LayerRef& layer,
                        std::int64_t created_ns);
    void seen(std::int64_t created_ns);
    OnProgress progress_of(StepId step);
    AskSecret asked_secret();
    static Value on(const Value& base, const LayerRef& layer);

    const Graph& graph_;
    const Facilities& with_;
    const StepSettings& settings_;
    Sources& sources_;
    Client& client_;
    Listener& listener_;
    Cancel& cancel_;
    CacheImport* const imported_;
    Layers layers_;
    std::atomic<int> exit_code_ = 0;
    std::atomic<std::int64_t> newest_ns_ = 0;
    std::mutex results_mutex_;
    std::map<StepId, std::vector<CachedResult>> results_;
    std::mutex context_mutex_;
    std::map<std::string, std::shared_ptr<const Tree>> contexts_;  // of mounts that name no source, by path
};

}  // namespace gantry::build
