#include "core/build/service.hpp"

#include <sys/statvfs.h>

#include <algorithm>
#include <thread>

#include <gantry/driver.hpp>

#include "core/base/clock.hpp"
#include "core/base/files.hpp"
#include "core/base/ids.hpp"
#include "core/base/log.hpp"
#include "core/base/text.hpp"
#include "core/build/cache_export.hpp"
#include "core/build/extra_step.hpp"
#include "core/build/outputs.hpp"
#include "core/build/platforms.hpp"
#include "core/build/solver.hpp"
#include "core/build/worker.hpp"
#include "core/image/archive_plan.hpp"
#include "core/image/digest.hpp"

namespace gantry::build {
namespace {

constexpr const char* known_entitlements[] = {"network.host", "security.insecure"};

// A step that fails for want of an imported layer is done once more: its failure is not the build's.
class ImportListener final : public Listener {
public:
    ImportListener(Listener& to, CacheImport* imported) : to_(to), imported_(imported) {}
    void step(StepId step, StepState state, std::int64_t ms, const std::string& error) override {
        const bool failed = state == StepState::error || state == StepState::canceled;
        if (!failed || !imported_->broken()) to_.step(step, state, ms, error);
    }
    void process(StepId step, const std::string& id) override { to_.process(step, id); }
    void log(StepId step, int stream, std::string_view bytes) override { to_.log(step, stream, bytes); }
    void progress(StepId step, std::string_view what, std::int64_t current, std::int64_t total) override {
        to_.progress(step, what, current, total);
    }
    StepId extra(const std::string& name) override { return to_.extra(name); }

private:
    Listener& to_;
    CacheImport* const imported_;
};

// Whatever an earlier engine left of steps that it did not end.
Result<void> make_empty(const std::string& path) {
    GANTRY_CHECK(remove_tree(path));
    return make_directories(path, 0700);
}

}  // namespace

BuildService::BuildService(std::string root, std::string run, BuildSettings settings, Collaborators with)
    : root_(std::move(root)), run_(std::move(run)), settings_(std::move(settings)), with_(std::move(with)) {}

BuildService::~BuildService() = default;

Result<std::unique_ptr<BuildService>> BuildService::open(std::string root, std::string run, BuildSettings settings,
                                                         Collaborators with) {
    std::unique_ptr<BuildService> service(
        new BuildService(std::move(root), std::move(run), std::move(settings), std::move(with)));
    BuildService& s = *service;
    GANTRY_CHECK(make_directories(s.root_, 0700));
    GANTRY_CHECK(make_empty(s.root_ + "/scratch"));
    GANTRY_CHECK(make_empty(s.run_));
    GANTRY_TRY(s.cache_mounts_, CacheMounts::open(s.root_ + "/cache"));
    GANTRY_TRY(s.contexts_, ContextStore::open(s.root_ + "/contexts"));
    GANTRY_TRY(s.sources_, Sources::open(s.root_ + "/sources", s.with_.spawn));
    s.cache_ = std::make_unique<ResultCache>(s.with_.store, s.with_.images);
    GANTRY_TRY(driver::Reply listed, s.with_.layers->call("layer/1", "list", Json::object()));
    const auto keys = member<std::vector<std::string>>(listed.result, "keys");
    const std::set<std::string> there(keys.begin(), keys.end());
    GANTRY_CHECK(s.cache_->load([&](const std::string& key) { return there.contains(key); }));
    s.facilities_ = std::unique_ptr<Facilities>(new Facilities{s.with_.layers, s.with_.images, *s.cache_,
                                                               *s.cache_mounts_, s.in_flight_, s.root_ + "/scratch",
                                                               s.run_, s.with_.run_task, s.with_.spawn});
    return service;
}

void BuildService::recover() {
    if (auto swept = sweep_layers(*with_.layers); !swept)
        log::warn("layers of unfinished builds are left", {{"reason", swept.error().text}});
    prune_by_policy();
    {
        std::lock_guard lock(mutex_);
        recovered_ = true;
    }
    recovered_changed_.notify_all();
}

// A layer made before would be swept away with those of the engine before.
Result<void> BuildService::ready() {
    std::unique_lock lock(mutex_);
    recovered_changed_.wait_for(lock, std::chrono::seconds(60), [&] { return recovered_ || closing_.cancelled(); });
    if (closing_.cancelled()) return fail(Code::cancelled, "the engine is ending");
    if (recovered_) return {};
    return fail(Code::retry_later, "the engine is still recovering");
}

void BuildService::close() {
    closing_.cancel();
    { std::lock_guard lock(mutex_); }
    recovered_changed_.notify_all();
}

void BuildService::adjust(BuildSettings settings) {
    std::lock_guard lock(mutex_);
    settings_ = std::move(settings);
}

BuildSettings BuildService::settings() const {
    std::lock_guard lock(mutex_);
    return settings_;
}

Result<void> BuildService::allow(const std::vector<std::string>& wanted, StepSettings* steps) const {
    const BuildSettings now = settings();
    for (const std::string& name : wanted) {
        if (std::find(std::begin(known_entitlements), std::end(known_entitlements), name) ==
            std::end(known_entitlements))
            return fail(Code::invalid, "unknown entitlement " + quote_json(name.substr(0, 100)) +
                                           ", allowed: network.host, security.insecure");
        if (!now.entitlements.contains(name))
            return fail(Code::denied, "entitlement " + name +
                                          " is not allowed: \"build.entitlements\" of the engine does not name it");
        (name == "network.host" ? steps->network_host : steps->insecure) = true;
    }
    return {};
}

Result<std::string> BuildService::scratch_directory() {
    const std::string path = root_ + "/scratch/" + new_id();
    GANTRY_CHECK(make_directories(path, 0755));
    return path;
}

Result<Built> BuildService::build(const Graph& graph, const BuildRequest& request, Client& client, Listener& listener,
                                  Cancel& cancel, BuildFailure* failure, const CacheUse& caches) {
    GANTRY_CHECK(check_graph(graph));
    for (const std::string& tag : request.tags) GANTRY_CHECK(image::parse_reference(tag));
    GANTRY_CHECK(check_outputs(graph, request));
    GANTRY_CHECK(ready());
    int parallel = settings().parallel;
    if (parallel <= 0) parallel = std::max(2, static_cast<int>(std::thread::hardware_concurrency()));
    Guest guest(*this, [&cancel] { cancel.cancel(); });
    CacheImport none(with_.images, *cache_);
    CacheUse use = caches;
    if (!use.imported) use.imported = &none;
    // What a whole cache is to have must be here.
    for (const CachePlace& place : request.cache_to)
        if (place.whole) use.imported->refuse_told();
    for (;;) {
        auto built = attempt(graph, request, client, listener, cancel, failure, use, parallel);
        if (built || cancel.cancelled() || !use.imported->broken()) return built;
        // What was done is in the cache of this engine by now.
        const std::string reason = use.imported->begin_anew();
        if (!reason.empty() && use.warn) use.warn("an imported cache is not used: " + reason);
        *failure = {};
    }
}

Result<Built> BuildService::attempt(const Graph& graph, const BuildRequest& request, Client& client, Listener& listener,
                                    Cancel& whole, BuildFailure* failure, const CacheUse& caches, int parallel) {
    // A step that fails cancels the others, and the build may yet begin anew.
    Cancel cancel;
    Cancel::Watch watch(whole, [&cancel] { cancel.cancel(); });
    ImportListener told(listener, caches.imported);
    BuildWorker worker(graph, *facilities_, request.steps, *sources_, client, told, cancel, caches.imported);
    std::vector<StepId> wanted;
    for (const Target* target : graph.targets())
        if (target->result) wanted.push_back(*target->result);
    Solved solved = solve(graph, wanted, worker, told, cancel, parallel);
    ScopeGuard flush([&] { cache_->flush(); });
    if (solved.error) {
        const std::string platforms = solved.failed ? platforms_of(graph, *solved.failed) : std::string();
        if (!platforms.empty()) solved.error = std::move(*solved.error).context(platforms);
        *failure = {*solved.error, solved.failed, worker.exit_code()};
        return *solved.error;
    }
    std::vector<Finished> finished;
    for (const Target* target : graph.targets()) {
        finished.push_back({*target, {}});
        if (target->result) finished.back().result = *solved.values[*target->result];
    }
    GANTRY_TRY(Built built, write_outputs(with_.images, finished, request, worker, client, told, cancel));
    GANTRY_CHECK(export_caches(request, finished, worker, client, told, caches, cancel));
    prune_by_policy();
    return built;
}

Result<std::unique_ptr<CacheImport>> BuildService::import_caches(
    const std::vector<CachePlace>& from, const std::function<Result<bool>(const CachePlace&)>& image, Client& client,
    Listener& listener, const CacheWarning& warn, Cancel& cancel) {
    auto imported = std::make_unique<CacheImport>(with_.images, *cache_, &listener);
    GANTRY_CHECK(build::import_caches({with_.images, with_.caches, root_ + "/scratch", image, &listener}, from,
                                      *imported, client, warn, cancel));
    return imported;
}

Result<void> BuildService::export_caches(const BuildRequest& request, const std::vector<Finished>& finished,
                                         BuildWorker& worker, Client& client, Listener& listener,
                                         const CacheUse& caches, Cancel& cancel) {
    std::set<std::string> of_result;
    for (const Finished& one : finished)
        for (const LayerRef& layer : one.result.layers) of_result.insert(layer.diff_id);
    for (const CachePlace& place : request.cache_to) {
        std::vector<CachedResult> results = worker.results();
        if (!place.whole)
            std::erase_if(results, [&](const CachedResult& one) { return !of_result.contains(one.layer.diff_id); });
        ExtraStep step(&listener, "exporting cache to " + place.shown);
        auto done = step.end([&]() -> Result<void> {
            std::unique_ptr<CacheTarget> target;
            if (place.kind == CachePlace::Kind::local) {
                target = local_cache_target(client, place.index, caches.imported && caches.imported->dropped());
            } else {
                if (!with_.caches.target) return fail(Code::unsupported, "this engine asks no registry");
                GANTRY_TRY(target, with_.caches.target(place.reference, client, cancel));
            }
            auto progress = [&](std::string_view what, std::int64_t current, std::int64_t total) {
                step.progress(what, current, total);
            };
            return export_cache(with_.images, caches.imported, results, *target, progress, cancel);
        }());
        GANTRY_CHECK(cancel.check());
        if (done) continue;
        if (!place.ignore_error) return std::move(done).error().context("cache-to " + place.shown);
        if (caches.warn) caches.warn("cache-to " + place.shown + " was not written: " + done.error().text);
    }
    return {};
}

Result<void> BuildService::import_cache(const image::Image& image) {
    const Json entries = image.config.value(inline_cache_key, Json::array());
    if (!entries.is_array()) return {};
    const auto diffs = image::diff_ids_of(image.config);
    for (const Json& entry : entries) {
        if (!entry.is_object() || !entry.value("key", Json()).is_string() ||
            !entry.value("layer", Json()).is_number_unsigned())
            return fail(Code::invalid, "the image's inline cache is no list of keys and layers");
        CachedResult known;
        known.key = entry["key"];
        const std::size_t layer = entry["layer"];
        if (!image::valid_digest(known.key) || layer >= image.layers.size() || layer >= diffs.size())
            return fail(Code::invalid, "the image's inline cache names a layer that it has not");
        // What was made here is surer than what someone says.
        if (cache_->find(known.key)) continue;
        known.parent = layer == 0 ? std::string() : image.layers[layer - 1];
        known.layer = {image.layers[layer], diffs[layer], image.layer_sizes[layer]};
        known.description = "imported from " + (image.tags.empty() ? image.id : image.tags[0]);
        GANTRY_CHECK(cache_->put(std::move(known)));
    }
    return {};
}

Json BuildService::usage() {
    Json all = Json::array();
    auto time = [](std::int64_t ns) { return ns > 0 ? Json(rfc3339(ns)) : Json(nullptr); };
    std::map<std::string, int> users;
    const std::vector<CachedResult> results = cache_->list();
    std::map<std::string, std::string> by_layer;
    for (const CachedResult& result : results) {
        ++users[result.layer.key];
        by_layer[result.layer.key] = std::string(image::hex_of(result.key));
    }
    for (const CachedResult& result : results) {
        auto parent = by_layer.find(result.parent);
        all.push_back({{"ID", std::string(image::hex_of(result.key))},
                       {"Parents", parent == by_layer.end() ? Json::array() : Json::array({parent->second})},
                       {"Type", "regular"},
                       {"Description", result.description},
                       {"InUse", false},
                       {"Shared", users[result.layer.key] > 1},
                       {"Size", result.bytes()},
                       {"CreatedAt", time(result.created_ns)},
                       {"LastUsedAt", time(result.used_ns)},
                       {"UsageCount", result.uses}});
    }
    for (const CacheMounts::Info& info : cache_mounts_->list())
        all.push_back({{"ID", info.id},
                       {"Parents", Json::array()},
                       {"Type", "exec.cachemount"},
                       {"Description", "cache mount \"" + info.name + "\""},
                       {"InUse", info.in_use},
                       {"Shared", false},
                       {"Size", info.bytes},
                       {"CreatedAt", time(info.created_ns)},
                       {"LastUsedAt", time(info.used_ns)},
                       {"UsageCount", 1}});
    for (const ContextStore::Info& info : contexts_->list())
        all.push_back({{"ID", info.id},
                       {"Parents", Json::array()},
                       {"Type", "source.local"},
                       {"Description", "a client's files"},
                       {"InUse", info.in_use},
                       {"Shared", false},
                       {"Size", info.bytes},
                       {"CreatedAt", time(info.used_ns)},
                       {"LastUsedAt", time(info.used_ns)},
                       {"UsageCount", 1}});
    return all;
}

Result<Json> BuildService::prune(const PruneFilters& filters) {
    Json deleted = Json::array();
    std::int64_t freed = 0, lacking = 0;
    if (filters.min_free_bytes > 0) {
        struct statvfs disk {};
        if (::statvfs(root_.c_str(), &disk) != 0) return fail_errno("look at the disk of the build cache");
        const std::uint64_t free = std::uint64_t{disk.f_bavail} * disk.f_frsize;
        lacking = free < static_cast<std::uint64_t>(filters.min_free_bytes)
                      ? filters.min_free_bytes - static_cast<std::int64_t>(free)
                      : 0;
        if (lacking == 0 && filters.keep_bytes == 0) return Json{{"CachesDeleted", deleted}, {"SpaceReclaimed", 0}};
    }
    auto wants = [&](const char* type) { return filters.types.empty() || filters.types.contains(type); };
    auto named = [&](const std::string& id) {
        return filters.ids.empty() ||
               std::any_of(filters.ids.begin(), filters.ids.end(),
                           [&](const std::string& wanted) { return !wanted.empty() && id.starts_with(wanted); });
    };
    auto old = [&](std::int64_t used_ns) { return filters.unused_since_ns <= 0 || used_ns <= filters.unused_since_ns; };
    if (wants("regular")) {
        // Without "all": what an image stands on is kept, because it costs nothing more.
        std::set<std::string> of_images;
        if (!filters.all) {
            for (const auto& image : with_.images.list()) of_images.insert(image->layers.begin(), image->layers.end());
            for (const auto& [layer, size] : with_.images.layers_of_variants()) of_images.insert(layer);
        }
        PruneRule rule{filters.unused_since_ns, filters.keep_bytes, filters.ids, lacking};
        GANTRY_TRY(auto gone, cache_->prune(rule, [&](const std::string& layer) { return of_images.contains(layer); }));
        for (const CachedResult& result : gone) deleted.push_back(std::string(image::hex_of(result.key)));
        if (!gone.empty()) {
            GANTRY_TRY(std::int64_t bytes, with_.collect_garbage());
            freed += bytes;
        }
    }
    // A limit on bytes is one on results; what is named or old goes whatever there is.
    const bool whole = filters.keep_bytes == 0;
    auto enough = [&] { return filters.min_free_bytes > 0 && freed >= lacking; };
    if (wants("exec.cachemount") && whole)
        for (const CacheMounts::Info& info : cache_mounts_->list()) {
            if (enough()) break;
            if (info.in_use || !named(info.id) || !old(info.used_ns)) continue;
            freed += cache_mounts_->remove(info.id);
            deleted.push_back(info.id);
        }
    if (wants("source.local") && whole)
        for (const ContextStore::Info& info : contexts_->list()) {
            if (enough()) break;
            if (info.in_use || !named(info.id) || !old(info.used_ns)) continue;
            freed += contexts_->remove(info.id);
            deleted.push_back(info.id);
        }
    return Json{{"CachesDeleted", deleted}, {"SpaceReclaimed", freed}};
}

// After each build, and at the start.
void BuildService::prune_by_policy() {
    const BuildSettings now = settings();
    auto done = [&]() -> Result<void> {
        bool gone = false;
        auto none = [](const std::string&) { return false; };
        if (now.cache_max_age_ns > 0) {
            GANTRY_TRY(auto results, cache_->prune({wall_clock_ns() - now.cache_max_age_ns, 0, {}}, none));
            gone = !results.empty();
        }
        if (now.cache_max_size > 0) {
            GANTRY_TRY(auto results, cache_->prune({0, now.cache_max_size, {}}, none));
            gone = gone || !results.empty();
        }
        if (gone) GANTRY_CHECK(with_.collect_garbage());
        return {};
    }();
    if (!done) log::warn("the build cache could not be pruned", {{"reason", done.error().text}});
}

}  // namespace gantry::build
