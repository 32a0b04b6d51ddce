// Which engine a command is for: options, environment and contexts, in the order in which they count.
#pragma once
#include <string>

#include <gantry/result.hpp>

#include "core/cli/context_store.hpp"
#include "core/cli/endpoint.hpp"

namespace gantry::cli {

// The options before the command's name.
struct GlobalOptions {
    std::string host, context;
    bool host_given = false, context_given = false;
    Tls tls;  // what --tls, --tlsverify and those of the files say
    bool tls_given = false;
};

struct Choice {
    Result<Endpoint> endpoint;
    std::string context = default_context;
    std::string variable = {};  // the environment's variable that chose; "" for an option or what `context use` chose
};

// --host or --context; GANTRY_HOST, GANTRY_CONTEXT, DOCKER_HOST, DOCKER_CONTEXT; the current context. An endpoint that cannot be
// had is in the choice as an error: commands that talk to no engine work without.
Choice choose(const GlobalOptions& options, const ContextStore& contexts);

}  // namespace gantry::cli
