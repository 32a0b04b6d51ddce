// Routes of builds: the session of `gantry build`, Docker's classic build, and the build cache.
#pragma once
#include "core/build/dockerfile_build.hpp"
#include "core/daemon/buildkit_helper.hpp"
#include "core/daemon/deps.hpp"
#include "core/daemon/http/http.hpp"

namespace gantry::daemon {

// `pull` gets images that are not there; none: such images cannot be built on.
void register_build(http::Router& router, Deps& deps, build::BuildService& builds, build::PullImage pull);

// A build session (core/build/PROTOCOL.md) over the socket, until it has ended. Blocks.
void serve_build(Deps& deps, build::BuildService& builds, const build::PullImage& pull, UniqueFd socket,
                 std::string early);

// What gantry-buildkit asks for: a build session, or something of the cache. Blocks.
void serve_buildkit(Deps& deps, build::BuildService& builds, const build::PullImage& pull, const Json& question,
                    UniqueFd socket);

// /grpc and /session: clients of BuildKit, whose connections `helper` takes.
void register_buildkit(http::Router& router, BuildkitHelper& helper);

// Pulls by deps.registries.
build::PullImage registry_pull(Deps& deps);

// Deps::fetch.
Result<UniqueFd> fetch_file(build::BuildService& builds, const std::string& url, const image::Progress& progress,
                            const Deps::Watch& watch);

// Caches in registries, by deps.registries. `scratch`: a directory for files that have no name.
build::CacheRegistries registry_caches(Deps& deps, std::string scratch);

// The builds under way whose clients have given them a name, to be cancelled by it. Thread-safe.
class NamedBuilds {
public:
    // While it lives, cancel() finds it. `cancel` may be called from any thread.
    class Entry {
    public:
        Entry(NamedBuilds& builds, std::string id) : builds_(builds), id_(std::move(id)) {}
        Entry(const Entry&) = delete;
        Entry& operator=(const Entry&) = delete;
        ~Entry();

    private:
        NamedBuilds& builds_;
        const std::string id_;
    };
    // GANTRY_CONFLICT where one of that name is under way; null for no name.
    Result<std::unique_ptr<Entry>> add(const std::string& id, std::function<void()> cancel);
    // GANTRY_NOT_FOUND: there is none of that name.
    Result<void> cancel(const std::string& id);

private:
    std::mutex mutex_;  // held while one is cancelled, so that its end waits for that
    std::map<std::string, std::function<void()>> builds_;
};

// build_classic.cpp: POST /build.
void classic_build(Deps& deps, build::BuildService& builds, NamedBuilds& named, const build::PullImage& pull,
                   http::Request request, const std::shared_ptr<http::Responder>& reply);

}  // namespace gantry::daemon
