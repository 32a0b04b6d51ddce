// What a context is made of at the command line.
#pragma once
#include <string>

#include <gantry/result.hpp>

#include "core/cli/context_store.hpp"
#include "core/cli/flags.hpp"

namespace gantry::cli {

struct ContextOptions {
    std::string description, docker, from;

    void declare(Flags& flags);
    // Puts what was given into `context`; reads the files that --docker names. GANTRY_INVALID: an unknown key, a host that is none,
    // a file that is not PEM.
    Result<void> apply(const Flags& flags, Context& context) const;
};

}  // namespace gantry::cli
