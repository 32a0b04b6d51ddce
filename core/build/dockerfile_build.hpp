// A build from a Dockerfile's text to its end: planned, worked off, told of.
#pragma once
#include <functional>
#include <string>

#include "core/build/dockerfile/dockerfile.hpp"
#include "core/build/service.hpp"

namespace gantry::build {

// Gets an image into the store under its reference, with the client's credentials. None is set where no registry can be
// asked.
using PullImage =
    std::function<Result<void>(const std::string& reference, const Platform& platform, Client& client, Cancel& cancel)>;

struct DockerfileBuild {
    std::string text;
    dockerfile::PlanOptions plan;
    bool pull = false;                   // images are asked for anew though they are there
    bool check = false;                  // only the rules
    std::vector<CachePlace> cache_from;  // caches, and images whose inline cache is taken over
    BuildRequest request;
};

// Where a build failed, for people.
struct BuildProblem {
    Lines lines;
    std::optional<StepId> step;
    int exit_code = 0;
};

struct BuildWatch {
    Listener& listener;
    // The plan is made: its steps and warnings; once, before the first step.
    std::function<void(const Graph&)> planned;
    // What is wrong and no reason to end the build.
    std::function<void(const std::string&)> warn = {};
};

Result<Built> build_dockerfile(BuildService& service, image::ImageStore& images, const PullImage& pull,
                               const DockerfileBuild& build, Client& client, const BuildWatch& watch, Cancel& cancel,
                               BuildProblem* problem);

// "linux/amd64" taken apart. GANTRY_INVALID: not a platform.
Result<Platform> parse_platform(const std::string& text);
// What this machine runs.
Platform own_platform();

}  // namespace gantry::build
