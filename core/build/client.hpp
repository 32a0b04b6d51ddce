// Who wants a build, as the build sees them: where its context, secrets and agents are, and where its outputs go. Calls
// may come from several threads at a time, block, and fail with GANTRY_CANCELLED once the client has gone.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include <gantry/result.hpp>
#include <gantry/unique_fd.hpp>

#include "core/build/cancel.hpp"
#include "core/build/graph.hpp"
#include "core/build/value.hpp"

namespace gantry::build {

// What is under way: a word for people, bytes so far, bytes in all (0: not known).
using OnProgress = std::function<void(std::string_view what, std::int64_t current, std::int64_t total)>;

// Of a registry, as the client keeps them; empty where it has none.
struct RegistryLogin {
    std::string username, password, identity_token;
};

class Client {
public:
    virtual ~Client() = default;
    // The files that `source` names, as they are now. They stay as they are while anyone holds the tree.
    virtual Result<std::shared_ptr<const Tree>> context(const ContextSource& source, const OnProgress& progress,
                                                        Cancel& cancel) = 0;
    // None: the client has no secret of that id.
    virtual Result<std::optional<std::string>> secret(const std::string& id) = 0;
    // A connection to the agent: what is written to it goes there. None: the client has no such agent.
    virtual Result<std::optional<UniqueFd>> ssh(const std::string& id) = 0;
    virtual Result<RegistryLogin> login(const std::string& registry) = 0;
    // The bytes of a tar or file for outputs[index]; `last` ends it and waits until the client has it.
    virtual Result<void> output(std::size_t index, std::string_view bytes, bool last) = 0;
    // A file of the directory of cache_from[index], to its end; an error of `data` ends it.
    virtual Result<void> read_cache(std::size_t index, const std::string& path,
                                    const std::function<Result<void>(std::string_view)>& data) {
        (void)index, (void)path, (void)data;
        return no_caches();
    }
    // Sizes of the files below `path` in the directory of cache_to[index], by their paths in it; none where it is not there.
    virtual Result<std::map<std::string, std::int64_t>> list_cache(std::size_t index, const std::string& path) {
        (void)index, (void)path;
        return no_caches();
    }
    // A tar that is unpacked into the directory of cache_to[index]; `last` as of output().
    virtual Result<void> write_cache(std::size_t index, std::string_view bytes, bool last) {
        (void)index, (void)bytes, (void)last;
        return no_caches();
    }

private:
    static Error no_caches() { return fail(Code::unsupported, "this client keeps no build caches"); }
};

}  // namespace gantry::build
