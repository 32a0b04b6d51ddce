#include "core/build/cache_import.hpp"

#include <algorithm>

#include "core/base/log.hpp"
#include "core/build/extra_step.hpp"

namespace gantry::build {

Result<void> CacheImport::add(std::string name, std::unique_ptr<CacheSource> source, const std::string& manifest_text,
                              const Cancel& cancel) {
    GANTRY_TRY(CacheManifest manifest, read_cache_manifest(manifest_text));
    GANTRY_TRY(std::string config, source->document(manifest.config, cancel));
    GANTRY_TRY(CacheDocument document, read_cache_config(config, manifest));
    std::lock_guard lock(mutex_);
    const std::size_t number = sources_.size();
    sources_.push_back({std::move(name), std::move(source)});
    std::vector<std::string> keys;
    for (CacheLayer& layer : document.layers) {
        keys.push_back(layer.key());
        layers_.emplace(keys.back(), Layer{std::move(layer), number});
    }
    for (CacheRecord& record : document.records)
        records_[record.key].push_back({keys[record.layer], std::move(record.description), record.created_ns});
    return {};
}

std::optional<CachedResult> CacheImport::find(const std::string& key, const std::string& parent) {
    std::lock_guard lock(mutex_);
    auto found = records_.find(key);
    if (found == records_.end() || broken_) return std::nullopt;
    for (const Known& known : found->second) {
        const CacheLayer& layer = layers_.at(known.layer).layer;
        // A record that puts the step over other layers than it stands on is none of this step.
        if (layer.parent != parent) continue;
        CachedResult result;
        result.key = key;
        result.parent = parent;
        auto here = sizes_.find(known.layer);
        result.layer = {known.layer, layer.diff_id, here == sizes_.end() ? layer.size : here->second};
        result.description = known.description;
        result.created_ns = known.created_ns;
        return result;
    }
    return std::nullopt;
}

void CacheImport::use(const CachedResult& result) {
    CachedResult kept = result;
    {
        std::lock_guard lock(mutex_);
        kept.here = sizes_.contains(result.layer.key);  // it may have come meanwhile
        if (!kept.here) {
            used_[result.layer.key].push_back(result);
            kept_.insert(result.key);
        }
    }
    // A later build, without this import, has the steps that stand on it in its cache by what is told of it.
    if (auto put = cache_.put(std::move(kept)); !put)
        log::warn("a result of an imported cache is not kept", {{"reason", put.error().text}});
}

bool CacheImport::use_told(const CachedResult& result) {
    std::lock_guard lock(mutex_);
    if (refuse_told_ || lacking_ || refused_.contains(result.layer.key)) return false;
    told_[result.layer.key] = result.parent;
    return true;
}

void CacheImport::refuse_told() {
    std::lock_guard lock(mutex_);
    refuse_told_ = true;
}

Result<void> CacheImport::need(const std::string& key, const Cancel& cancel) {
    std::vector<Layer> missing;  // highest first
    std::lock_guard fetching(fetching_);
    {
        std::lock_guard lock(mutex_);
        for (auto at = layers_.find(key); at != layers_.end() && !sizes_.contains(at->first);
             at = layers_.find(at->second.layer.parent))
            missing.push_back(at->second);
        if (!missing.empty() && broken_) return fail(Code::invalid, *broken_);
        const std::string& lowest = missing.empty() ? key : missing.back().layer.parent;
        if (told_.contains(lowest)) {
            lacking_ = lowest;
            return fail(Code::not_found, "the layer " + lowest + " of a build cache is not here any more");
        }
    }
    for (auto layer = missing.rbegin(); layer != missing.rend(); ++layer) {
        auto fetched = fetch(*layer, cancel);
        if (fetched) continue;
        // Of a build that ends anyway nothing can be said.
        if (cancel.cancelled()) return fetched;
        std::lock_guard lock(mutex_);
        broken_ = "cache " + sources_[layer->source].name + ": " + fetched.error().text;
        return fail(Code::invalid, *broken_);
    }
    return {};
}

Result<void> CacheImport::fetch(const Layer& wanted, const Cancel& cancel) {
    GANTRY_CHECK(cancel.check());
    std::shared_ptr<CacheSource> source;
    std::string name;
    {
        std::lock_guard lock(mutex_);
        source = sources_[wanted.source].source;
        name = sources_[wanted.source].name;
    }
    const std::string key = wanted.layer.key();
    GANTRY_TRY(bool here, images_.has_layer(key));
    std::int64_t size = 0;  // what the cache tells of it is not to be believed
    if (here) {
        GANTRY_TRY(size, images_.layer_bytes(key));
    } else {
        const CacheBlob& blob = wanted.layer.blob;
        const std::string shown = shown_blob(blob);
        ExtraStep step(listener_, "fetching " + shown + " of cache " + name);
        GANTRY_TRY(size, step.end([&]() -> Result<std::int64_t> {
            auto moved = [&](std::int64_t bytes) { step.progress(shown, bytes, blob.size); };
            GANTRY_TRY(UniqueFd file, source->blob(blob, moved, cancel));
            return images_.add_layer(image::source_of(std::move(file)), wanted.layer.parent, wanted.layer.diff_id);
        }()));
    }
    return arrived(key, size);
}

// What was found of it becomes this engine's own knowledge.
Result<void> CacheImport::arrived(const std::string& key, std::int64_t size) {
    std::vector<CachedResult> used;
    {
        std::lock_guard lock(mutex_);
        sizes_[key] = size;
        if (auto found = used_.find(key); found != used_.end()) {
            used = std::move(found->second);
            used_.erase(found);
        }
    }
    for (CachedResult& result : used) {
        result.layer.size = size;
        result.here = true;
        GANTRY_CHECK(cache_.put(std::move(result)));
    }
    return {};
}

bool CacheImport::broken() {
    std::lock_guard lock(mutex_);
    return broken_ || lacking_;
}

std::string CacheImport::begin_anew() {
    std::lock_guard lock(mutex_);
    if (broken_) {
        std::string reason = std::move(*broken_);
        drop();
        return reason;
    }
    // That layer is to be made, and so are those that it stands on.
    for (auto at = lacking_ ? told_.find(*lacking_) : told_.end(); at != told_.end(); at = told_.find(at->second))
        refused_.insert(at->first);
    told_.clear();
    lacking_.reset();
    return {};
}

// mutex_ is held.
void CacheImport::drop() {
    layers_.clear();
    records_.clear();
    used_.clear();
    // A cache that cannot be read is not believed in what it told, either.
    cache_.forget_told(std::exchange(kept_, {}));
    broken_.reset();
    dropped_ = true;
}

bool CacheImport::dropped() {
    std::lock_guard lock(mutex_);
    return dropped_;
}

std::optional<CacheImport::Origin> CacheImport::origin_of(const std::string& key) {
    std::lock_guard lock(mutex_);
    auto found = layers_.find(key);
    if (found == layers_.end()) return std::nullopt;
    return Origin{found->second.layer.blob, sources_[found->second.source].source};
}

std::optional<std::int64_t> CacheImport::size_of(const std::string& key) {
    std::lock_guard lock(mutex_);
    auto found = sizes_.find(key);
    return found == sizes_.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace gantry::build
