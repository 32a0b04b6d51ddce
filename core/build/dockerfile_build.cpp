#include "core/build/dockerfile_build.hpp"

#include "core/base/text.hpp"
#include "core/container/create_request.hpp"
#include "core/image/archive_plan.hpp"

namespace gantry::build {
namespace {

bool is_of(const image::Image& image, const Platform& platform) {
    const std::string architecture = image.config.value("architecture", "");
    return architecture.empty() || architecture == platform.architecture;
}

}  // namespace

Platform own_platform() {
    Platform own;
    own.architecture = image::host_architecture();
    if (own.architecture == "arm64") own.variant = "v8";
    return own;
}

Result<Platform> parse_platform(const std::string& text) {
    const auto parts = split(text, '/');
    Platform platform;
    if (parts.size() == 1 && parts[0] == "linux") return own_platform();
    if (parts.size() < 2 || parts.size() > 3 || parts[0].empty() || parts[1].empty() || text.size() > 100)
        return fail(Code::invalid,
                    quote_json(text.substr(0, 100)) + " is no platform: expected OS/ARCHITECTURE[/VARIANT]");
    platform.os = parts[0];
    platform.architecture = parts[1];
    if (parts.size() == 3) platform.variant = parts[2];
    if (platform.os != "linux")
        return fail(Code::unsupported, "platform " + quote_json(text) + ": only linux can be built for");
    return platform;
}

Result<Built> build_dockerfile(BuildService& service, image::ImageStore& images, const PullImage& pull,
                               const DockerfileBuild& build, Client& client, const BuildWatch& watch, Cancel& cancel,
                               BuildProblem* problem) {
    GANTRY_CHECK(container::check_extra_hosts(build.request.steps.hosts));
    auto resolve = [&](const std::string& reference, const Platform& platform) -> Result<dockerfile::ResolvedImage> {
        GANTRY_CHECK(cancel.check());
        auto found = images.find(reference);
        const bool there = found && is_of(**found, platform);
        if (pull && (!there || build.pull)) {
            GANTRY_CHECK(pull(reference, platform, client, cancel));
            found = images.find(reference);
        } else if (build.pull && !pull) {
            return fail(Code::unsupported, "pulling is not supported by this engine");
        }
        if (!found) return std::move(found).error();
        if (!is_of(**found, platform))
            return fail(Code::not_found, "the image that is here is for " +
                                             (*found)->config.value("architecture", "another platform") + ", not for " +
                                             platform.text());
        return dockerfile::ResolvedImage{reference, (*found)->id, (*found)->config};
    };
    dockerfile::Diagnosis diagnosis;
    dockerfile::PlanOptions options = build.plan;
    // A check is of the whole file, unless one stage was asked for.
    options.all_stages = build.check && options.target.empty();
    auto graph = dockerfile::plan(build.text, options, resolve, &diagnosis);
    if (!graph) {
        problem->lines = diagnosis.lines;
        Graph warned;
        warned.warnings = std::move(diagnosis.warnings);
        if (watch.planned) watch.planned(warned);
        return std::move(graph).error();
    }
    if (watch.planned) watch.planned(*graph);
    if (build.check) return Built{};
    auto warn = [&](const std::string& text) {
        if (watch.warn) watch.warn(text);
    };
    auto from_image = [&](const CachePlace& place) -> Result<bool> {
        auto found = images.find(place.reference);
        if (!found && place.pull && pull) {
            GANTRY_CHECK(pull(place.reference, build.plan.platform, client, cancel));
            found = images.find(place.reference);
        }
        if (!found) return false;
        GANTRY_CHECK(service.import_cache(**found));
        return true;
    };
    CacheUse caches{nullptr, warn};
    std::unique_ptr<CacheImport> imported;
    if (!build.cache_from.empty()) {
        GANTRY_TRY(imported, service.import_caches(build.cache_from, from_image, client, warn, cancel));
        caches.imported = imported.get();
    }
    BuildFailure failure;
    auto built = service.build(*graph, build.request, client, watch.listener, cancel, &failure, caches);
    if (!built && failure.step) {
        problem->step = failure.step;
        problem->lines = graph->steps[*failure.step].lines;
        problem->exit_code = failure.exit_code;
    }
    return built;
}

}  // namespace gantry::build
