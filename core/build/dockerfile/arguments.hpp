// The arguments of a build: what the user gave, what Gantry knows, and the ARGs before the first FROM.
#pragma once
#include <map>
#include <string>
#include <vector>

#include <gantry/result.hpp>

#include "core/build/dockerfile/dockerfile.hpp"
#include "core/build/dockerfile/instruction.hpp"
#include "core/build/dockerfile/variables.hpp"

namespace gantry::build::dockerfile {

struct Arguments {
    std::map<std::string, std::string> given;  // --build-arg, with SOURCE_DATE_EPOCH
    Variables global;                          // what FROM sees and what a stage's "ARG name" takes up
    Variables global_defaults;                 // the same as if nothing were given
    std::vector<std::string> declared;         // names of ARGs without a value too
    // Proxies for RUN: "NAME=value".
    std::vector<std::string> proxies() const;
};

// *at: where an error is.
Result<Arguments> collect_arguments(const std::vector<Instruction>& globals, const PlanOptions& options, char escape,
                                    Budget* budget, Lines* at);

}  // namespace gantry::build::dockerfile
