// Results of steps, kept: key -> layer. In memory whole, in the store for the next engine. Thread-safe.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <gantry/json.hpp>
#include <gantry/result.hpp>

#include "core/build/value.hpp"
#include "core/image/image_store.hpp"
#include "core/store/store.hpp"

namespace gantry::build {

// The store's kind of these records; core/image/garbage.cpp keeps the layers that they name.
inline constexpr std::string_view result_kind = "build_result";

struct CachedResult {
    std::string key;     // of key.hpp; its hex digits are the id
    std::string parent;  // chain id of the layer below, "" for none
    LayerRef layer;
    std::string description;  // the step's name
    std::int64_t created_ns = 0, used_ns = 0, uses = 0;
    // False: a cache elsewhere told of it, and its layer was not needed yet. It stands for the step in the keys of later ones.
    bool here = true;
    std::int64_t bytes() const { return here ? layer.size : 0; }
};

// What is to go: records unused since `before_ns`, beyond `keep_bytes` (the longest unused first), of these ids.
struct PruneRule {
    std::int64_t unused_since_ns = 0;  // 0: whenever used
    std::int64_t keep_bytes = 0;
    std::set<std::string> ids = {};  // or prefixes of them; empty: all
    std::int64_t free_bytes = 0;     // no more than it takes to free so many; 0: no such limit
};

class ResultCache {
public:
    ResultCache(store::Store& store, image::ImageStore& images) : store_(store), images_(images) {}
    // Reads the records; damaged ones are set aside. `there(layer key)`: whether the layer driver has it; a record whose
    // layer was here and is gone is dropped.
    Result<void> load(const std::function<bool(const std::string&)>& there);

    // A use: it is stamped, in the store at the next flush().
    std::optional<CachedResult> find(const std::string& key);
    // created_ns 0: now. One whose layer is here stays where another only told of comes.
    Result<void> put(CachedResult result);
    // Of these, the ones whose layers never came.
    void forget_told(const std::set<std::string>& keys);
    void flush();
    std::vector<CachedResult> list();
    // Erases what the rule names and no build holds; `in_use(layer key)`. Gives what was erased. The layers themselves go
    // with the next collection of garbage.
    Result<std::vector<CachedResult>> prune(const PruneRule& rule,
                                            const std::function<bool(const std::string&)>& in_use);
    std::vector<std::string> layers();

private:
    store::Store& store_;
    image::ImageStore& images_;
    std::mutex mutex_;  // all below
    std::map<std::string, CachedResult> results_;
    std::set<std::string> stamped_;
};

}  // namespace gantry::build
