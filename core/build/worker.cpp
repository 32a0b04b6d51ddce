#include "core/build/worker.hpp"

#include <algorithm>

#include "core/base/clock.hpp"
#include "core/base/failpoint.hpp"
#include "core/build/copy_files.hpp"
#include "core/build/exec_step.hpp"
#include "core/build/platforms.hpp"
#include "core/build/trees.hpp"
#include "core/container/rootfs_view.hpp"
#include "core/image/archive_plan.hpp"

namespace gantry::build {
namespace {

const CopyAction* copy_of(const std::variant<CopyAction, MakeDirectory>& action) {
    return std::get_if<CopyAction>(&action);
}

bool numeric(const std::string& owner) { return owner.find_first_not_of("0123456789:") == std::string::npos; }

// Whether the layer can be made without what is below it: names of owners are looked up there.
bool independent(const FileChange& change) {
    return !change.actions.empty() && std::all_of(change.actions.begin(), change.actions.end(), [](const auto& action) {
        const CopyAction* copy = copy_of(action);
        return copy && copy->link && numeric(copy->owner.text);
    });
}

}  // namespace

Value BuildWorker::on(const Value& base, const LayerRef& layer) {
    Value value;
    value.layers = base.layers;
    value.layers.push_back(layer);
    return value;
}

OnProgress BuildWorker::progress_of(StepId step) {
    return [this, step](std::string_view what, std::int64_t current, std::int64_t total) {
        listener_.progress(step, what, current, total);
    };
}

Result<Outcome> BuildWorker::run(StepId step, const Input& input) {
    GANTRY_CHECK(cancel_.check());
    const Operation& operation = graph_.steps[step].operation;
    if (auto image = std::get_if<ImageSource>(&operation)) return source(step, *image);
    if (auto context = std::get_if<ContextSource>(&operation)) return source(step, *context);
    if (auto http = std::get_if<HttpSource>(&operation)) return source(step, *http);
    if (auto git = std::get_if<GitSource>(&operation)) return source(step, *git);
    if (auto files = std::get_if<FileChange>(&operation)) return change(step, *files, input);
    return exec(step, std::get<Exec>(operation), input);
}

Result<Outcome> BuildWorker::source(StepId, const ImageSource& source) {
    auto image = with_.images.find(source.digest.empty() ? source.reference : source.digest);
    if (!image) return std::move(image).error().context("image \"" + source.reference + "\"");
    const auto diffs = image::diff_ids_of((*image)->config);
    if (diffs.size() != (*image)->layers.size())
        return fail(Code::corrupt, "image \"" + source.reference + "\" has " + std::to_string((*image)->layers.size()) +
                                       " layers, but " + std::to_string(diffs.size()) + " diff ids");
    Outcome outcome;
    outcome.cached = true;
    seen((*image)->created_ns);
    with_.images.mark_used((*image)->id);
    for (std::size_t i = 0; i < diffs.size(); ++i) {
        layers_.hold((*image)->layers[i]);
        outcome.value.layers.push_back({(*image)->layers[i], diffs[i], (*image)->layer_sizes[i]});
    }
    return outcome;
}

Result<Outcome> BuildWorker::source(StepId step, const ContextSource& source) {
    Outcome outcome;
    GANTRY_TRY(outcome.value.tree, client_.context(source, progress_of(step), cancel_));
    return outcome;
}

AskSecret BuildWorker::asked_secret() {
    return [this](const std::string& id) { return client_.secret(id); };
}

Result<Outcome> BuildWorker::source(StepId step, const HttpSource& source) {
    Outcome outcome;
    GANTRY_TRY(outcome.value, sources_.http(source, progress_of(step), cancel_, asked_secret()));
    return outcome;
}

Result<Outcome> BuildWorker::source(StepId step, const GitSource& source) {
    Outcome outcome;
    GANTRY_TRY(outcome.value, sources_.git(source, progress_of(step), cancel_, asked_secret()));
    return outcome;
}

void BuildWorker::note(StepId step, const CachedResult& result) {
    std::lock_guard lock(results_mutex_);
    results_[step].push_back(result);
}

std::vector<std::string> BuildWorker::keys_of(StepId step) {
    std::lock_guard lock(results_mutex_);
    std::vector<std::string> keys;
    if (auto found = results_.find(step); found != results_.end())
        for (const CachedResult& result : found->second) keys.push_back(result.key);
    return keys;
}

std::vector<CachedResult> BuildWorker::results() {
    std::lock_guard lock(results_mutex_);
    std::vector<CachedResult> all;
    for (const auto& [step, results] : results_) all.insert(all.end(), results.begin(), results.end());
    return all;
}

std::optional<BuildWorker::Hit> BuildWorker::find(StepId step, const std::string& key, const std::string& parent) {
    if (graph_.steps[step].ignore_cache) return std::nullopt;
    auto found = with_.cache.find(key);
    if (!found) return find_imported(key, parent);
    if (!found->here) return find_told(std::move(*found), parent);
    layers_.hold(found->layer.key);
    // Pruned between the look and the hold: the layer may be going.
    if (!with_.cache.find(key)) return std::nullopt;
    seen(found->created_ns);
    return Hit{std::move(*found), false};
}

std::optional<BuildWorker::Hit> BuildWorker::find_imported(const std::string& key, const std::string& parent) {
    auto found = imported_->find(key, parent);
    if (!found) return std::nullopt;
    layers_.hold(found->layer.key);
    auto here = with_.images.has_layer(found->layer.key);
    if (!here || (*here && !imported_->need(found->layer.key, cancel_))) return std::nullopt;
    imported_->use(*found);
    seen(found->created_ns);
    return Hit{std::move(*found), true};
}

// What an earlier import told of: its layer may have come by another way, or be had from an import of this build.
std::optional<BuildWorker::Hit> BuildWorker::find_told(CachedResult found, const std::string& parent) {
    layers_.hold(found.layer.key);
    auto here = with_.images.has_layer(found.layer.key);
    if (!here) return std::nullopt;
    if (*here) {
        auto size = with_.images.layer_bytes(found.layer.key);
        if (!size) return std::nullopt;
        found.layer.size = *size;
        found.here = true;
        if (!with_.cache.put(found)) return std::nullopt;
        seen(found.created_ns);
        return Hit{std::move(found), false};
    }
    if (auto imported = find_imported(found.key, parent)) return imported;
    if (found.parent != parent || !imported_->use_told(found)) return std::nullopt;
    seen(found.created_ns);
    return Hit{std::move(found), true};
}

void BuildWorker::seen(std::int64_t created_ns) {
    std::int64_t newest = newest_ns_;
    while (created_ns > newest && !newest_ns_.compare_exchange_weak(newest, created_ns)) continue;
}

Result<void> BuildWorker::record(StepId step, const std::string& key, const std::string& parent, const LayerRef& layer,
                                 std::int64_t created_ns) {
    CachedResult result;
    result.key = key;
    result.parent = parent;
    result.layer = layer;
    result.description = graph_.steps[step].name;
    result.created_ns = created_ns;
    seen(created_ns);
    note(step, result);
    return with_.cache.put(std::move(result));
}

Result<Outcome> BuildWorker::cached(StepId step, const Value& base, const std::string& key,
                                    const std::function<Result<std::string>()>& content_key,
                                    const std::function<Result<LayerRef>()>& work) {
    if (auto found = find(step, key, base.top())) {
        note(step, found->result);
        return Outcome{on(base, found->result.layer), true};
    }
    std::string second = key;
    if (content_key) {
        GANTRY_TRY(second, content_key());
        if (auto found = find(step, second, base.top())) {
            note(step, found->result);
            CachedResult& result = found->result;
            if (found->imported) {
                result.key = key;
                note(step, result);
                imported_->use(result);
            } else {
                GANTRY_CHECK(record(step, key, base.top(), result.layer, result.created_ns));
            }
            return Outcome{on(base, result.layer), true};
        }
    }
    bool shared = false;
    std::int64_t created_ns = 0;
    auto layer = with_.in_flight.once(
        second, cancel_,
        [&]() -> Result<LayerRef> {
            GANTRY_TRY(LayerRef made, work());
            created_ns = wall_clock_ns();
            GANTRY_CHECK(record(step, second, base.top(), made, created_ns));
            return made;
        },
        &shared);
    if (!layer) return std::move(layer).error();
    layers_.hold(layer->key);
    if (shared)
        if (auto other = with_.cache.find(second)) {
            created_ns = other->created_ns;
            note(step, *other);
        }
    seen(created_ns);
    if (second != key) GANTRY_CHECK(record(step, key, base.top(), *layer, created_ns));
    return Outcome{on(base, *layer), shared};
}

// The digest of what `action` takes of it.
Result<std::string> BuildWorker::content_of(const Value& value, const CopyAction& action) {
    std::shared_ptr<const Tree> tree = value.tree;
    if (!tree) {
        GANTRY_TRY(tree, view_of(layers_, value.top()));
    }
    GANTRY_TRY(auto selected, select_files(tree->root(), action));
    return digest_of_files(*tree, selected, action, cancel_);
}

Result<LayerRef> BuildWorker::change_files(const FileChange& change, const std::string& parent, const Input& input) {
    GANTRY_TRY(Layers::Work work, layers_.prepare(parent));
    {
        GANTRY_TRY(UniqueFd root, container::open_rootfs(work.mounts(), container::Access::read_write));
        for (const auto& action : change.actions) {
            const CopyAction* copy = copy_of(action);
            if (!copy) {
                const auto& directory = std::get<MakeDirectory>(action);
                GANTRY_TRY(FileCopier copier, FileCopier::make(root.get(), directory.owner, "", {}, cancel_));
                GANTRY_CHECK(copier.make_directory(directory.path));
                continue;
            }
            GANTRY_TRY(FileCopier copier,
                       FileCopier::make(root.get(), copy->owner, copy->mode, copy->exclude, cancel_));
            std::shared_ptr<const Tree> tree;
            std::vector<Selected> selected;
            if (copy->from) {
                const Value& value = input(*copy->from);
                tree = value.tree;
                if (!tree) {
                    GANTRY_TRY(tree, view_of(layers_, value.top()));
                }
                GANTRY_TRY(selected, select_files(tree->root(), *copy));
            }
            GANTRY_CHECK(copier.copy(*copy, selected));
        }
    }
    GANTRY_FAILPOINT("build.files.copied");
    if (settings_.epoch >= 0) GANTRY_CHECK(layers_.clamp_times(work, settings_.epoch));
    return layers_.commit(std::move(work));
}

// COPY --link: the layer is made over nothing, once, and placed on whatever base.
Result<LayerRef> BuildWorker::linked(StepId step, const FileChange& change, const KeyInputs& inputs,
                                     const std::string& parent, const Input& input) {
    KeyInputs alone = inputs;
    alone.base.clear();
    const std::string key = key_of(change, alone);
    GANTRY_TRY(Outcome layer, cached(step, Value{}, key, {}, [&] { return change_files(change, "", input); }));
    return layers_.place(layer.value.layers.back(), parent);
}

Result<Outcome> BuildWorker::change(StepId step, const FileChange& change, const Input& input) {
    const Value base = change.base ? input(*change.base) : Value{};
    KeyInputs inputs;
    inputs.base = base.identity();
    inputs.platform = graph_.steps[step].platform.text();
    inputs.epoch = settings_.epoch;
    KeyInputs by_content = inputs;
    std::vector<std::size_t> by_identity;
    for (std::size_t i = 0; i < change.actions.size(); ++i) {
        const CopyAction* copy = copy_of(change.actions[i]);
        if (!copy || !copy->from) continue;
        const Value& value = input(*copy->from);
        if (std::string identity = value.identity(); !identity.empty()) {
            inputs.from[i] = identity;
            by_identity.push_back(i);
        } else {
            GANTRY_TRY(inputs.from[i], content_of(value, *copy));
            by_content.from[i] = inputs.from[i];
        }
    }
    std::function<Result<std::string>()> content_key;
    if (!by_identity.empty())
        content_key = [&]() -> Result<std::string> {
            for (std::size_t i : by_identity) {
                const CopyAction& copy = *copy_of(change.actions[i]);
                GANTRY_TRY(by_content.from[i], content_of(input(*copy.from), copy));
            }
            return key_of(change, by_content);
        };
    return cached(step, base, key_of(change, inputs), content_key, [&]() -> Result<LayerRef> {
        if (change.base && !base.layers.empty() && independent(change))
            return linked(step, change, by_identity.empty() ? inputs : by_content, base.top(), input);
        return change_files(change, base.top(), input);
    });
}

Result<Value> BuildWorker::mount_source(const Mount& mount, const Input& input) {
    if (mount.from) return input(*mount.from);
    // The default context, of which only this is asked for.
    std::lock_guard lock(context_mutex_);
    auto& tree = contexts_[mount.source];
    if (!tree) {
        ContextSource source{"context", {mount.source.empty() ? "." : mount.source}, {}};
        GANTRY_TRY(tree, client_.context(source, {}, cancel_));
    }
    Value value;
    value.tree = tree;
    return value;
}

Result<Outcome> BuildWorker::exec(StepId step, const Exec& exec, const Input& input) {
    const Value base = exec.base ? input(*exec.base) : Value{};
    KeyInputs inputs;
    inputs.base = base.identity();
    inputs.hosts = settings_.hosts;
    inputs.platform = graph_.steps[step].platform.text();
    inputs.epoch = settings_.epoch;
    KeyInputs by_content = inputs;
    std::vector<std::size_t> by_identity;
    auto content = [&](std::size_t i, const Value& value) -> Result<std::string> {
        CopyAction all;
        all.sources = {exec.mounts[i].source.empty() ? "/" : exec.mounts[i].source};
        return content_of(value, all);
    };
    for (std::size_t i = 0; i < exec.mounts.size(); ++i) {
        if (exec.mounts[i].kind != Mount::Kind::bind) continue;
        GANTRY_TRY(Value value, mount_source(exec.mounts[i], input));
        if (std::string identity = value.identity(); !identity.empty()) {
            inputs.from[i] = identity;
            by_identity.push_back(i);
        } else {
            GANTRY_TRY(inputs.from[i], content(i, value));
            by_content.from[i] = inputs.from[i];
        }
    }
    std::function<Result<std::string>()> content_key;
    if (!by_identity.empty())
        content_key = [&]() -> Result<std::string> {
            for (std::size_t i : by_identity) {
                GANTRY_TRY(Value value, mount_source(exec.mounts[i], input));
                GANTRY_TRY(by_content.from[i], content(i, value));
            }
            return key_of(exec, by_content);
        };
    return cached(step, base, key_of(exec, inputs), content_key, [&]() -> Result<LayerRef> {
        ExecStep process(with_, settings_, layers_, client_, cancel_);
        auto layer = process.run(
            exec, base.top(), [&](const Mount& mount) { return mount_source(mount, input); },
            [&](const std::string& id) { listener_.process(step, id); },
            [&](int stream, std::string_view bytes) { listener_.log(step, stream, bytes); });
        if (!layer && process.exit_code() != 0) exit_code_ = process.exit_code();
        if (!layer) return explain_foreign(graph_.steps[step], std::move(layer).error());
        return layer;
    });
}

}  // namespace gantry::build
