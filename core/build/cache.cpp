#include "core/build/cache.hpp"

#include <algorithm>

#include "core/base/clock.hpp"
#include "core/base/failpoint.hpp"
#include "core/base/log.hpp"
#include "core/image/digest.hpp"
#include "core/store/members.hpp"

namespace gantry::build {
namespace {

store::Object to_object(const CachedResult& result) {
    Json body{{"layer", result.layer.key},         {"diff_id", result.layer.diff_id},
              {"size", result.layer.size},         {"parent", result.parent},
              {"description", result.description}, {"created_ns", result.created_ns},
              {"used_ns", result.used_ns},         {"uses", result.uses}};
    if (!result.here) body["here"] = false;
    return {std::string(image::hex_of(result.key)), "", 1, std::move(body)};
}

Result<CachedResult> from_object(const store::Object& object) {
    CachedResult result;
    result.key = "sha256:" + object.id;
    GANTRY_CHECK(store::Members(object.body)
                     .required("layer", result.layer.key)
                     .required("diff_id", result.layer.diff_id)
                     .required("size", result.layer.size)
                     .required("parent", result.parent)
                     .required("description", result.description)
                     .required("created_ns", result.created_ns)
                     .required("used_ns", result.used_ns)
                     .required("uses", result.uses)
                     .optional("here", result.here)
                     .result());
    for (const std::string* digest : {&result.key, &result.layer.key, &result.layer.diff_id})
        if (!image::valid_digest(*digest)) return fail(Code::corrupt, "\"" + *digest + "\" is not a digest");
    if (!result.parent.empty() && !image::valid_digest(result.parent))
        return fail(Code::corrupt, "its parent is not a digest");
    // The parent and the diff say which layer it is.
    if (image::chain_id(result.parent, result.layer.diff_id) != result.layer.key)
        return fail(Code::corrupt, "its layer is not that of its parent and its diff");
    return result;
}

}  // namespace

Result<void> ResultCache::load(const std::function<bool(const std::string&)>& there) {
    std::vector<store::Damage> damage;
    GANTRY_TRY(auto objects, store_.list(result_kind, &damage));
    std::lock_guard lock(mutex_);
    for (const store::Object& object : objects) {
        auto result = from_object(object);
        if (!result) {
            damage.push_back({std::string(result_kind), object.id, result.error().text});
            continue;
        }
        if (!result->here || there(result->layer.key))
            results_[result->key] = std::move(*result);
        else
            GANTRY_CHECK(store_.erase(result_kind, object.id));
    }
    for (const store::Damage& item : damage) {
        log::error("a record of the build cache is damaged; it is set aside",
                   {{"id", item.id}, {"reason", item.reason}});
        GANTRY_CHECK(store_.quarantine(result_kind, item.id));
    }
    return {};
}

std::optional<CachedResult> ResultCache::find(const std::string& key) {
    std::lock_guard lock(mutex_);
    auto found = results_.find(key);
    if (found == results_.end()) return std::nullopt;
    found->second.used_ns = wall_clock_ns();
    ++found->second.uses;
    stamped_.insert(key);
    return found->second;
}

Result<void> ResultCache::put(CachedResult result) {
    result.used_ns = wall_clock_ns();
    if (result.created_ns == 0) result.created_ns = result.used_ns;
    if (!result.here) {
        std::lock_guard lock(mutex_);
        if (auto known = results_.find(result.key); known != results_.end() && known->second.here) return {};
    }
    GANTRY_FAILPOINT("build.cache.before_record");
    GANTRY_CHECK(store_.put(result_kind, to_object(result)));
    {
        std::lock_guard lock(mutex_);
        results_[result.key] = std::move(result);
    }
    images_.layers_kept();
    return {};
}

void ResultCache::forget_told(const std::set<std::string>& keys) {
    std::lock_guard lock(mutex_);
    std::vector<std::string> gone;
    for (const std::string& key : keys)
        if (auto found = results_.find(key); found != results_.end() && !found->second.here) gone.push_back(key);
    auto erased = store_.transact([&]() -> Result<void> {
        for (const std::string& key : gone) GANTRY_CHECK(store_.erase(result_kind, image::hex_of(key)));
        return {};
    });
    if (!erased) log::warn("records of a build cache could not be erased", {{"reason", erased.error().text}});
    for (const std::string& key : gone) {
        stamped_.erase(key);
        results_.erase(key);
    }
}

// Stamps are worth a write, but not one for each step of each build.
void ResultCache::flush() {
    std::vector<CachedResult> changed;
    {
        std::lock_guard lock(mutex_);
        for (const std::string& key : stamped_)
            if (auto found = results_.find(key); found != results_.end()) changed.push_back(found->second);
        stamped_.clear();
    }
    if (changed.empty()) return;
    auto written = store_.transact([&]() -> Result<void> {
        for (const CachedResult& result : changed) GANTRY_CHECK(store_.put(result_kind, to_object(result)));
        return {};
    });
    if (!written) log::warn("uses of the build cache could not be recorded", {{"reason", written.error().text}});
}

std::vector<CachedResult> ResultCache::list() {
    std::lock_guard lock(mutex_);
    std::vector<CachedResult> all;
    for (const auto& [key, result] : results_) all.push_back(result);
    std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.used_ns > b.used_ns; });
    return all;
}

std::vector<std::string> ResultCache::layers() {
    std::lock_guard lock(mutex_);
    std::vector<std::string> keys;
    for (const auto& [key, result] : results_) keys.push_back(result.layer.key);
    return keys;
}

Result<std::vector<CachedResult>> ResultCache::prune(const PruneRule& rule,
                                                     const std::function<bool(const std::string&)>& in_use) {
    std::lock_guard lock(mutex_);
    std::vector<const CachedResult*> oldest;
    std::map<std::string, int> users;  // several keys may have one layer, which counts once
    std::int64_t total = 0;
    for (const auto& [key, result] : results_) {
        oldest.push_back(&result);
        if (users[result.layer.key]++ == 0) total += result.bytes();
    }
    std::sort(oldest.begin(), oldest.end(), [](const auto* a, const auto* b) { return a->used_ns < b->used_ns; });
    auto named = [&](const std::string& key) {
        const std::string_view id = image::hex_of(key);
        return rule.ids.empty() || std::any_of(rule.ids.begin(), rule.ids.end(), [&](const std::string& wanted) {
                   return !wanted.empty() && id.starts_with(wanted);
               });
    };
    const std::int64_t before = total;
    std::vector<CachedResult> gone;
    for (const CachedResult* result : oldest) {
        const bool beyond = rule.keep_bytes > 0 && total > rule.keep_bytes;
        if (rule.keep_bytes > 0 || rule.free_bytes > 0)
            if (!beyond && before - total >= rule.free_bytes) break;
        if (!named(result->key) || in_use(result->layer.key)) continue;
        if (rule.unused_since_ns > 0 && result->used_ns > rule.unused_since_ns) continue;
        if (--users[result->layer.key] == 0) total -= result->bytes();
        gone.push_back(*result);
    }
    auto erased = store_.transact([&]() -> Result<void> {
        for (const CachedResult& result : gone) GANTRY_CHECK(store_.erase(result_kind, image::hex_of(result.key)));
        return {};
    });
    if (!erased) return std::move(erased).error();
    for (const CachedResult& result : gone) {
        stamped_.erase(result.key);
        results_.erase(result.key);
    }
    return gone;
}

}  // namespace gantry::build
