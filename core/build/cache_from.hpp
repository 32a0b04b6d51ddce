// --cache-from and --cache-to: what was asked for, and how a build begins and ends with it.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include <gantry/json.hpp>
#include <gantry/result.hpp>

#include "core/build/cache_import.hpp"
#include "core/build/cache_store.hpp"

namespace gantry::build {

struct CachePlace {
    enum class Kind { registry = 1, local };
    Kind kind = Kind::registry;
    std::string reference;  // registry: complete or not, as given
    std::size_t index = 0;  // local: which of cache_from or cache_to
    std::string shown;      // for messages: "type=local,src=/tmp/cache"
    // Of a cache that is read: an image that is not here is asked for in its registry.
    bool pull = true;
    // Of a cache that is written.
    bool whole = false;  // mode=max: the steps of all stages, not only those whose layers the result has
    bool ignore_error = false;
};

struct CacheWishes {
    std::vector<CachePlace> from, to;
    bool in_image = false;  // type=inline
};
// The members "cache_from" and "cache_to" of a build's first frame. GANTRY_INVALID, GANTRY_UNSUPPORTED: one line that names the
// attribute and what is allowed.
Result<CacheWishes> read_cache_wishes(const std::vector<Json>& from, const std::vector<Json>& to);

// Told what did not go well and ends no build.
using CacheWarning = std::function<void(const std::string&)>;

struct CacheSources {
    image::ImageStore& images;
    const CacheRegistries& registries;
    std::string scratch;
    // An image that is to serve as a cache: taken over from its configuration. False: it is nowhere.
    std::function<Result<bool>(const CachePlace&)> image;
    Listener* listener = nullptr;
};
// Takes over what the sources have; one that cannot be read is warned of. GANTRY_CANCELLED alone ends the build.
Result<void> import_caches(const CacheSources& with, const std::vector<CachePlace>& from, CacheImport& to,
                           Client& client, const CacheWarning& warn, Cancel& cancel);

}  // namespace gantry::build
