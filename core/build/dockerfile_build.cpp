#include "core/build/dockerfile_build.hpp"

#include <algorithm>

#include "core/base/text.hpp"
#include "core/container/create_request.hpp"
#include "core/image/registry/platform.hpp"

namespace gantry::build {
namespace {

// How well the image does for the platform; 0: not at all. One that does not say what it is for does for any.
int fitness(const image::Image& image, const Platform& platform) {
    const std::string architecture = image.config.value("architecture", "");
    if (architecture.empty()) return 1;
    if (architecture != platform.architecture) return 0;
    const Json wanted{{"os", platform.os}, {"architecture", platform.architecture}, {"variant", platform.variant}};
    return 2 +
           image::registry::fitness(image::registry::platform_of(wanted), image::registry::platform_of(image.config));
}

class DockerfileBuilder {
public:
    DockerfileBuilder(BuildService& service, image::ImageStore& images, const PullImage& pull,
                      const DockerfileBuild& build, Client& client, const BuildWatch& watch, Cancel& cancel)
        : service_(service),
          images_(images),
          pull_(pull),
          build_(build),
          client_(client),
          watch_(watch),
          cancel_(cancel) {}

    Result<Built> run(BuildProblem* problem) {
        GANTRY_CHECK(container::check_extra_hosts(build_.request.steps.hosts));
        GANTRY_TRY(Graph graph, plan(problem));
        if (watch_.planned) watch_.planned(graph);
        if (build_.check) return Built{};
        auto warn = [&](const std::string& text) {
            if (watch_.warn) watch_.warn(text);
        };
        CacheUse caches{nullptr, warn};
        std::unique_ptr<CacheImport> imported;
        if (!build_.cache_from.empty()) {
            GANTRY_TRY(imported, service_.import_caches(
                                     build_.cache_from, [&](const CachePlace& place) { return cache_of_images(place); },
                                     client_, watch_.listener, warn, cancel_));
            caches.imported = imported.get();
        }
        BuildFailure failure;
        auto built = service_.build(graph, build_.request, client_, watch_.listener, cancel_, &failure, caches);
        if (!built && failure.step) {
            problem->step = failure.step;
            problem->lines = graph.steps[*failure.step].lines;
            problem->exit_code = failure.exit_code;
        }
        return built;
    }

private:
    std::vector<Platform> platforms() const {
        return build_.platforms.empty() ? std::vector<Platform>{build_.plan.platform} : build_.platforms;
    }

    Result<Graph> plan(BuildProblem* problem) {
        const std::vector<Platform> wanted = platforms();
        dockerfile::PlanOptions options = build_.plan;
        // A check is of the whole file, unless one stage was asked for.
        options.all_stages = build_.check && options.target.empty();
        options.multi_platform = wanted.size() > 1;
        auto resolve = [&](const std::string& reference, const Platform& platform) {
            return resolved(reference, platform);
        };
        std::vector<Graph> graphs;
        for (const Platform& platform : wanted) {
            options.platform = platform;
            dockerfile::Diagnosis diagnosis;
            auto graph = dockerfile::plan(build_.text, options, resolve, &diagnosis);
            if (graph) {
                graphs.push_back(std::move(*graph));
                continue;
            }
            problem->lines = diagnosis.lines;
            Graph warned;
            warned.warnings = std::move(diagnosis.warnings);
            if (watch_.planned) watch_.planned(warned);
            if (wanted.size() == 1) return std::move(graph).error();
            return std::move(graph).error().context(platform.text());
        }
        return join_graphs(std::move(graphs));
    }

    // Asked once for an image and a platform, also where several plans want it.
    Result<dockerfile::ResolvedImage> resolved(const std::string& reference, const Platform& platform) {
        GANTRY_CHECK(cancel_.check());
        const std::string key = reference + " " + platform.text();
        if (auto known = resolved_.find(key); known != resolved_.end()) return known->second;
        auto found = here(reference, platform);
        if (pull_ && (!found || build_.pull)) {
            GANTRY_TRY(std::string id, pull_(reference, platform, client_, cancel_));
            GANTRY_TRY(found, images_.find(id));
        } else if (build_.pull && !pull_) {
            return fail(Code::unsupported, "pulling is not supported by this engine");
        }
        if (!found) {
            GANTRY_TRY(auto other, images_.find(reference));
            found = std::move(other);
        }
        if (fitness(*found, platform) == 0)
            return fail(Code::not_found, "the image that is here is for " +
                                             found->config.value("architecture", "another platform") + ", not for " +
                                             platform.text());
        return resolved_.emplace(key, dockerfile::ResolvedImage{reference, found->id, found->config}).first->second;
    }

    // Of what the reference stands for here, the image that fits best; nullptr: none does.
    std::shared_ptr<const image::Image> here(const std::string& reference, const Platform& platform) {
        auto choices = images_.choices(reference);
        if (!choices) return nullptr;
        std::shared_ptr<const image::Image> best;
        auto look = [&](const std::shared_ptr<const image::Image>& image) {
            const int fit = fitness(*image, platform);
            if (fit > 0 && (!best || fit > fitness(*best, platform))) best = image;
        };
        for (const auto& image : choices->images) look(image);
        if (best) return best;
        // A pull for one platform brings one image: another one of the same index, of the same name, is the reference's, too.
        std::vector<std::string> digests = choices->images.front()->repo_digests;
        auto parsed = image::parse_reference(reference);
        std::erase_if(digests,
                      [&](const std::string& digest) { return !parsed || !digest.starts_with(parsed->name + "@"); });
        for (const auto& image : images_.list())
            if (std::any_of(digests.begin(), digests.end(), [&](const std::string& digest) {
                    return std::find(image->repo_digests.begin(), image->repo_digests.end(), digest) !=
                           image->repo_digests.end();
                }))
                look(image);
        return best;
    }

    // Images that are to serve as caches, one for each platform.
    Result<bool> cache_of_images(const CachePlace& place) {
        bool any = false;
        for (const Platform& platform : platforms()) {
            std::shared_ptr<const image::Image> found = here(place.reference, platform);
            if (!found && place.pull && pull_) {
                GANTRY_TRY(std::string id, pull_(place.reference, platform, client_, cancel_));
                GANTRY_TRY(found, images_.find(id));
            }
            if (!found) continue;
            any = true;
            GANTRY_CHECK(service_.import_cache(*found));
        }
        return any;
    }

    BuildService& service_;
    image::ImageStore& images_;
    const PullImage& pull_;
    const DockerfileBuild& build_;
    Client& client_;
    const BuildWatch& watch_;
    Cancel& cancel_;
    std::map<std::string, dockerfile::ResolvedImage> resolved_;
};

}  // namespace

Result<Built> build_dockerfile(BuildService& service, image::ImageStore& images, const PullImage& pull,
                               const DockerfileBuild& build, Client& client, const BuildWatch& watch, Cancel& cancel,
                               BuildProblem* problem) {
    return DockerfileBuilder(service, images, pull, build, client, watch, cancel).run(problem);
}

}  // namespace gantry::build
