// Routes of builds: the session of `gantry build`, Docker's classic build, and the build cache.
#pragma once
#include "core/build/dockerfile_build.hpp"
#include "core/daemon/deps.hpp"
#include "core/daemon/http/http.hpp"

namespace gantry::daemon {

// `pull` gets images that are not there; none: such images cannot be built on.
void register_build(http::Router& router, Deps& deps, build::BuildService& builds, build::PullImage pull);

// Pulls by deps.registries.
build::PullImage registry_pull(Deps& deps);

// Caches in registries, by deps.registries. `scratch`: a directory for files that have no name.
build::CacheRegistries registry_caches(Deps& deps, std::string scratch);

// build_classic.cpp: POST /build.
void classic_build(Deps& deps, build::BuildService& builds, const build::PullImage& pull, http::Request request,
                   const std::shared_ptr<http::Responder>& reply);

}  // namespace gantry::daemon
