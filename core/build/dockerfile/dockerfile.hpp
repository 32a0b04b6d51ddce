// The Dockerfile front end: text in, a graph of steps out. No file, no process, no engine; what it must know of images it
// asks the resolver. May be called from any thread; holds nothing between calls.
#pragma once
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <gantry/result.hpp>

#include "core/build/graph.hpp"

namespace gantry::build::dockerfile {

struct ResolvedImage {
    std::string reference;  // complete, with its registry
    std::string digest;     // of its config: "sha256:.."
    Json config;            // the whole OCI image config
};
// Finds an image for FROM, COPY --from and the like. `reference` is complete. Asked once for each image and platform, and
// only for what the target needs. Its errors come back from plan() with the Dockerfile's line before them.
using ImageResolver = std::function<Result<ResolvedImage>(const std::string& reference, const Platform& platform)>;

// A --build-context. `image` is the reference it stands for; "": files, which the plan asks for as a ContextSource.
struct NamedContext {
    std::string image;
};

struct PlanOptions {
    std::string file_name = "Dockerfile";  // for messages
    std::string target;                    // a stage's name or number; "": the last
    std::map<std::string, std::string> args, labels;
    Platform platform, build_platform;  // what is built for, what it is built on
    bool multi_platform = false;        // names of steps begin with their platform
    bool no_cache = false;
    std::vector<std::string> no_cache_filter;  // names or numbers of stages
    std::map<std::string, NamedContext> contexts;
    std::vector<std::string> ignore_lines;  // of .dockerignore, as read_dockerignore() gives them
    Exec::Network network = Exec::Network::standard;
    std::optional<std::int64_t> source_date_epoch;
    bool all_stages = false;  // plan the stages that the target does not need too: for --check
};

// Where and with what a plan failed.
struct Diagnosis {
    Lines lines;
    std::vector<Warning> warnings;  // of the rules, found before
};

// Plans the build of `text`. An error's text begins with the file's name and line: "Dockerfile:3: unknown instruction:
// FORM (did you mean FROM?)"; `diagnosis` (may be null) is filled then. GANTRY_INVALID: the Dockerfile or an option is
// wrong; GANTRY_NOT_FOUND: there is no such target; GANTRY_UNSUPPORTED: something that Gantry has not; GANTRY_EXHAUSTED: a
// limit (limits.hpp); otherwise what the resolver says. With "# check=error=true" a warning is an error. Throws nothing.
Result<Graph> plan(std::string_view text, const PlanOptions& options, const ImageResolver& resolver,
                   Diagnosis* diagnosis = nullptr);

}  // namespace gantry::build::dockerfile
