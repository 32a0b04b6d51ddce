// Where files come from that neither an image nor the client has: http and git. Kept below ROOT/build/sources, so that
// what did not change is not fetched again. Thread-safe.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "core/build/cancel.hpp"
#include "core/build/client.hpp"
#include "core/build/graph.hpp"
#include "core/build/value.hpp"
#include "core/image/bootstrap.hpp"

namespace gantry::build {

// A secret of the client by its id; none: the client has no such secret.
using AskSecret = std::function<Result<std::optional<std::string>>(const std::string& id)>;

class Sources {
public:
    // `root`: a directory of its own, which is made.
    static Result<std::unique_ptr<Sources>> open(std::string root, image::Spawner spawn);

    // Servers that ask who one is are told what the client's secrets say (source_auth.hpp).
    // A directory with the one file. Its Value::digest is that of the file. GANTRY_INVALID: the checksum is another, the
    // URL is not http or https; GANTRY_DENIED: it leads to an address that no build may fetch from
    // (remote_address.hpp).
    Result<Value> http(const HttpSource& source, const OnProgress& progress, Cancel& cancel,
                       const AskSecret& secret = {});
    // The tree of the commit that the ref is now, with its submodules, theirs too.
    Result<Value> git(const GitSource& source, const OnProgress& progress, Cancel& cancel,
                      const AskSecret& secret = {});
    // An empty one, for whoever fetches something himself.
    Result<std::string> temporary_directory();

private:
    Sources(std::string root, image::Spawner spawn) : root_(std::move(root)), spawn_(std::move(spawn)) {}
    const std::string root_;
    const image::Spawner spawn_;
};

}  // namespace gantry::build
