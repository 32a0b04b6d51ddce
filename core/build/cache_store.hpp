// Where a build's cache is kept outside of the engine: read from and written to. A source and a target are for one build; any
// thread, one at a time.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

#include "core/build/cache_records.hpp"
#include "core/build/cancel.hpp"
#include "core/build/client.hpp"

namespace gantry::build {

// Told how many bytes of a blob have moved.
using BlobMoved = std::function<void(std::int64_t)>;
// "layer 3f2a5c7d9e01": what people see of a blob.
std::string shown_blob(const CacheBlob& blob);

class CacheSource {
public:
    virtual ~CacheSource() = default;
    // The manifest's bytes. GANTRY_NOT_FOUND: there is no cache.
    virtual Result<std::string> manifest(const Cancel& cancel) = 0;
    // A small blob, 4 MiB at most, proven by size and digest.
    virtual Result<std::string> document(const CacheBlob& blob, const Cancel& cancel) = 0;
    // A blob in a file of nobody else's, proven by size and digest, read from its beginning.
    virtual Result<UniqueFd> blob(const CacheBlob& blob, const BlobMoved& moved, const Cancel& cancel) = 0;
};

class CacheTarget {
public:
    virtual ~CacheTarget() = default;
    virtual Result<bool> has(const CacheBlob& blob) = 0;
    // `file` is read from its beginning.
    virtual Result<void> put(const CacheBlob& blob, int file, const BlobMoved& moved, const Cancel& cancel) = 0;
    // Last: all that they name is there.
    virtual Result<void> finish(const std::string& manifest, const std::string& config, const Cancel& cancel) = 0;
};

// Of a reference in a registry, with the client's credentials; both are empty where no registry can be asked.
struct CacheRegistries {
    std::function<Result<std::unique_ptr<CacheSource>>(const std::string& reference, Client& client, Cancel& cancel)>
        source;
    std::function<Result<std::unique_ptr<CacheTarget>>(const std::string& reference, Client& client, Cancel& cancel)>
        target;
};

// A directory of the client, an OCI layout: that of its cache_from or cache_to of this index. `scratch`: a directory for files
// that have no name for long.
std::unique_ptr<CacheSource> local_cache_source(Client& client, std::size_t index, std::string scratch);
// `fresh`: what stands there is written anew, whatever it is called.
std::unique_ptr<CacheTarget> local_cache_target(Client& client, std::size_t index, bool fresh);

}  // namespace gantry::build
