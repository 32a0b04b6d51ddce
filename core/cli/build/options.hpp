// The options of `build`, and the session's first message that they make.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include <gantry/json.hpp>
#include <gantry/result.hpp>

#include "core/cli/build/specs.hpp"
#include "core/cli/flags.hpp"

namespace gantry::cli {

struct BuildOptions {
    void declare(Flags& flags);
    // Takes apart and checks what was given. GANTRY_INVALID in one line.
    Result<void> finish();
    // The "build" message, all but what is known of the context.
    Result<Json> message() const;

    std::string file, target, network, progress, iidfile, metadata_file, cgroup_parent, call;
    std::vector<std::string> tags, arguments, named_contexts, labels, platforms, no_cache_filter, allow, annotations,
        hosts, ulimits;
    bool no_cache = false, pull = false, quiet = false, check = false, push = false, load = false;
    std::int64_t shm_size = 0;
    std::vector<BuildOutput> outputs;
    std::vector<std::string> pushes;  // names that are pushed once the image is there
    std::vector<BuildSecret> secrets;
    std::vector<SshAgent> agents;
    std::vector<Json> caches_to, caches_from;  // as the message has them: of type local their "dest" and "src" are here

private:
    std::vector<std::string> outputs_, secrets_, ssh_, cache_to_, cache_from_;
};

}  // namespace gantry::cli
