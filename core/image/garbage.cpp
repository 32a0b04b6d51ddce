#include <gantry/driver.hpp>

#include "core/base/log.hpp"
#include "core/image/image_store_impl.hpp"

namespace gantry::image {
namespace {

struct Needed {
    std::set<std::string> layers, blobs;
};

// What every record in the store refers to, damaged images included: repairing one shall not mean fetching it again.
Result<Needed> needed_by_records(store::Store& store) {
    GANTRY_TRY(auto objects, store.list(store_kind));
    Needed needed;
    for (const store::Object& object : objects) {
        const References references = references_of(object);
        needed.layers.insert(references.layers.begin(), references.layers.end());
        needed.blobs.insert(references.blobs.begin(), references.blobs.end());
    }
    GANTRY_TRY(auto results, store.list("build_result"));
    for (const store::Object& result : results)
        if (result.body.is_object()) needed.layers.insert(member<std::string>(result.body, "layer"));
    return needed;
}

struct Known {
    std::string state, parent;
};

}  // namespace

Result<std::int64_t> ImageStore::collect_garbage(const std::vector<std::string>& used_layers) {
    constexpr std::string_view table = "layer/1";
    std::lock_guard one_at_a_time(impl_->collecting);
    driver::Driver& layers = *impl_->layers;
    LayerUnpacker unpacker = impl_->unpacker();
    std::int64_t freed = 0;
    GANTRY_TRY(auto cleaned, layers.call(table, "cleanup", Json::object(), {}, driver::Deadline::longer));
    freed += member<std::int64_t>(cleaned.result, "reclaimed_bytes");

    GANTRY_TRY(auto listed, layers.call(table, "list", Json::object()));
    std::map<std::string, Known> known;
    for (const std::string& key : member<std::vector<std::string>>(listed.result, "keys")) {
        GANTRY_TRY(auto stat, layers.call(table, "stat", Json{{"key", key}}));
        known[key] = {member<std::string>(stat.result, "state"), member<std::string>(stat.result, "parent")};
    }
    std::uint64_t seen = impl_->catalog.generation();
    GANTRY_TRY(Needed needed, needed_by_records(impl_->store));
    // A load may have ended between the look at the records and a claim.
    auto look_again = [&]() -> Result<void> {
        const std::uint64_t now = impl_->catalog.generation();
        if (now == seen) return {};
        GANTRY_TRY(needed, needed_by_records(impl_->store));
        seen = now;
        return {};
    };
    std::vector<std::string> roots = used_layers;
    roots.insert(roots.end(), needed.layers.begin(), needed.layers.end());
    // A layer that someone works in needs those it stands on, whoever that is.
    for (const auto& [key, layer] : known)
        if (layer.state != "committed" && !key.starts_with(unpack_prefix)) roots.push_back(layer.parent);
    std::set<std::string> kept;
    bool leftovers = false;
    for (std::string key : roots)
        while (!key.empty() && kept.insert(key).second) {
            auto found = known.find(key);
            key = found == known.end() ? std::string() : found->second.parent;
        }

    std::map<std::string, int> children;
    std::vector<std::string> ready;
    std::set<std::string> doomed;
    for (const auto& [key, layer] : known)
        if (!kept.contains(key) && (layer.state == "committed" || key.starts_with(unpack_prefix))) doomed.insert(key);
    for (const std::string& key : doomed) ++children[known[key].parent];
    for (const std::string& key : doomed)
        if (!children.contains(key)) ready.push_back(key);
    while (!ready.empty()) {
        const std::string key = std::move(ready.back());
        ready.pop_back();
        if (!impl_->pins.begin_delete(key)) continue;  // then those below it stay, too
        ScopeGuard done([&] { impl_->pins.end_delete(key); });
        GANTRY_CHECK(look_again());
        if (needed.layers.contains(key)) continue;
        auto bytes = unpacker.usage(key);
        if (auto removed = unpacker.remove(key); !removed) {
            // A container was begun on it while its image went: its end will ask again.
            if (removed.error().code == Code::conflict)
                leftovers = true;
            else
                log::warn("a layer could not be removed", {{"layer", key}, {"reason", removed.error().text}});
            continue;
        }
        if (bytes) freed += *bytes;
        const std::string& parent = known[key].parent;
        if (--children[parent] == 0 && doomed.contains(parent)) ready.push_back(parent);
    }

    for (const std::string& digest : impl_->blobs.list()) {
        if (needed.blobs.contains(digest) || !impl_->pins.begin_delete(digest)) continue;
        ScopeGuard done([&] { impl_->pins.end_delete(digest); });
        GANTRY_CHECK(look_again());
        if (!needed.blobs.contains(digest)) freed += impl_->blobs.erase(digest);
    }
    for (const auto& [key, layer] : known)
        if (kept.contains(key) && layer.state == "committed" && !needed.layers.contains(key)) leftovers = true;
    impl_->leftovers = leftovers;
    GANTRY_CHECK(layers.call(table, "cleanup", Json::object(), {}, driver::Deadline::longer));
    return freed;
}

}  // namespace gantry::image
