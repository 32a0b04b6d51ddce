// A build from a Dockerfile's text to its end: planned, worked off, told of.
#pragma once
#include <functional>
#include <string>

#include "core/build/dockerfile/dockerfile.hpp"
#include "core/build/platforms.hpp"
#include "core/build/service.hpp"

namespace gantry::build {

// Gets an image into the store, with the client's credentials, and gives its id. It has its reference afterwards, unless that
// names an image for another platform. None is set where no registry can be asked.
using PullImage = std::function<Result<std::string>(const std::string& reference, const Platform& platform,
                                                    Client& client, Cancel& cancel)>;

struct DockerfileBuild {
    std::string text;
    dockerfile::PlanOptions plan;
    std::vector<Platform> platforms;     // several: in place of the plan's, and what comes out is an index
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

}  // namespace gantry::build
