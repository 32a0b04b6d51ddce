#include "core/build/session_build.hpp"

#include "core/base/text.hpp"
#include "core/build/dockerignore.hpp"
#include "core/build/filtered_tree.hpp"
#include "core/build/session.hpp"
#include "core/store/members.hpp"

namespace gantry::build {
namespace {

using Texts = std::vector<std::string>;
using TextMap = std::map<std::string, std::string>;

// A member of the first frame; absent and null are the default, another type is named.
template <typename T>
Result<void> read(const Json& frame, const char* key, T& value) {
    auto found = frame.find(key);
    if (found == frame.end() || found->is_null()) return {};
    if (!store::holds<T>(*found))
        return fail(Code::invalid,
                    std::string("\"") + key + "\" of the build is of the wrong type: " + found->type_name());
    value = found->get<T>();
    return {};
}

struct Wanted {
    DockerfileBuild build;
    bool has_text = false;
    std::map<std::string, Json> contexts;
    Texts secrets, agents;
    bool any_secret = false, any_agent = false;
};

Result<void> read_outputs(const Json& frame, BuildRequest& request) {
    std::vector<Json> outputs;
    GANTRY_CHECK(read(frame, "outputs", outputs));
    for (const Json& item : outputs) {
        Output output;
        if (!item.is_object()) return fail(Code::invalid, "an output of the build is no object");
        for (const auto& [key, value] : item.items()) {
            if (!value.is_string()) return fail(Code::invalid, "\"" + key + "\" of an output is no text");
            if (key == "type")
                output.type = value;
            else
                output.attributes[key] = value;
        }
        const auto push = output.attributes.find("push");
        if (push != output.attributes.end() && push->second == "true")
            return fail(Code::unsupported, "the push of a build's image is not supported: push it when it is built");
        // An archive for nobody is an image for this engine.
        if (output.type == "docker" && !output.attributes.contains("dest")) output.type = "image";
        if (auto split = output.attributes.find("platform-split");
            split != output.attributes.end() && split->second != "true")
            return fail(Code::unsupported, "platform-split " + quote_json(split->second.substr(0, 50)) +
                                               " of an output is not supported, allowed: true");
        if (output.type == "image" && !request.annotations.empty())
            return fail(Code::unsupported, "annotations are kept in archives only: use --output type=oci");
        request.outputs.push_back(std::move(output));
    }
    return {};
}

Result<Wanted> read_build(const Json& frame, const BuildService& service) {
    Wanted wanted;
    DockerfileBuild& build = wanted.build;
    dockerfile::PlanOptions& plan = build.plan;
    std::map<std::string, Json> contexts;
    Json context;
    std::vector<Json> cache_from, cache_to, ulimits;
    Texts allow, platforms, ignore;
    std::string network;
    std::int64_t epoch = -1;
    bool metadata = false;
    wanted.has_text = frame.contains("dockerfile") && frame["dockerfile"].is_string();
    GANTRY_CHECK(read(frame, "dockerfile", build.text));
    GANTRY_CHECK(read(frame, "dockerfile_name", plan.file_name));
    GANTRY_CHECK(read(frame, "ignore_lines", plan.ignore_lines));
    GANTRY_CHECK(read(frame, "context", context));
    GANTRY_CHECK(read(frame, "contexts", contexts));
    GANTRY_CHECK(read(frame, "tags", build.request.tags));
    GANTRY_CHECK(read(frame, "args", plan.args));
    GANTRY_CHECK(read(frame, "labels", plan.labels));
    GANTRY_CHECK(read(frame, "target", plan.target));
    GANTRY_CHECK(read(frame, "platforms", platforms));
    GANTRY_CHECK(read(frame, "no_cache", plan.no_cache));
    GANTRY_CHECK(read(frame, "no_cache_filter", plan.no_cache_filter));
    GANTRY_CHECK(read(frame, "pull", build.pull));
    GANTRY_CHECK(read(frame, "cache_from", cache_from));
    GANTRY_CHECK(read(frame, "cache_to", cache_to));
    GANTRY_CHECK(read(frame, "secrets", wanted.secrets));
    GANTRY_CHECK(read(frame, "any_secret", wanted.any_secret));
    GANTRY_CHECK(read(frame, "any_agent", wanted.any_agent));
    GANTRY_CHECK(read(frame, "ssh", wanted.agents));
    GANTRY_CHECK(read(frame, "network", network));
    GANTRY_CHECK(read(frame, "add_hosts", build.request.steps.hosts));
    GANTRY_CHECK(read(frame, "shm_size", build.request.steps.shm_size));
    GANTRY_CHECK(read(frame, "ulimits", ulimits));
    GANTRY_CHECK(read(frame, "allow", allow));
    GANTRY_CHECK(read(frame, "source_date_epoch", epoch));
    GANTRY_CHECK(read(frame, "check", build.check));
    GANTRY_CHECK(read(frame, "annotations", build.request.annotations));
    GANTRY_CHECK(read(frame, "cgroup_parent", build.request.steps.cgroup_parent));
    GANTRY_CHECK(read(frame, "metadata", metadata));
    GANTRY_TRY(CacheWishes caches, read_cache_wishes(cache_from, cache_to));
    build.request.inline_cache = caches.in_image;
    build.request.cache_to = std::move(caches.to);
    build.cache_from = std::move(caches.from);
    if (network == "none")
        plan.network = Exec::Network::none;
    else if (network == "host")
        plan.network = Exec::Network::host;
    else if (!network.empty() && network != "default")
        return fail(Code::invalid, "network " + quote_json(network.substr(0, 100)) + ", allowed: default, none, host");
    plan.build_platform = plan.platform = own_platform();
    GANTRY_TRY(build.platforms, parse_platforms(platforms));
    if (build.platforms.size() == 1) {
        plan.platform = build.platforms[0];
        build.platforms.clear();
    }
    // A client may give it as an argument alone; an empty one is none.
    if (auto given = plan.args.find("SOURCE_DATE_EPOCH");
        epoch < 0 && given != plan.args.end() && !given->second.empty()) {
        auto seconds = parse_int(given->second);
        if (!seconds || *seconds < 0)
            return fail(Code::invalid, "SOURCE_DATE_EPOCH " + quote_json(given->second.substr(0, 100)) +
                                           " is not a number of seconds since 1970");
        epoch = *seconds;
    }
    if (epoch >= 0) plan.source_date_epoch = epoch;
    if (epoch > 253'402'300'799) return fail(Code::invalid, "\"source_date_epoch\" is beyond the year 9999");
    build.request.steps.epoch = epoch;
    build.request.steps.ulimits = ulimits;
    // The client's wish for the host's network is one for the entitlement, too: it is asked for by name.
    GANTRY_CHECK(service.allow(allow, &build.request.steps));
    GANTRY_CHECK(read_outputs(frame, build.request));
    if (context.is_object()) wanted.contexts["context"] = context;
    for (const auto& [name, where] : contexts) {
        if (!where.is_object()) return fail(Code::invalid, "build context " + quote_json(name) + " is no object");
        dockerfile::NamedContext named;
        if (where.value("kind", Json()) == "image") {
            if (!where.value("reference", Json()).is_string())
                return fail(Code::invalid, "build context " + quote_json(name) + " names no image");
            named.image = where["reference"];
        } else {
            wanted.contexts[name] = where;
        }
        plan.contexts[name] = named;
    }
    return wanted;
}

// The Dockerfile of a context that only the engine sees, and the .dockerignore beside it.
Result<void> read_remote(Wanted& wanted, Session& session, Cancel& cancel) {
    GANTRY_TRY(auto tree, session.context(ContextSource{"context", {}, {}}, {}, cancel));
    GANTRY_TRY(wanted.build.text, read_in_tree(*tree, wanted.build.plan.file_name));
    for (const std::string& name : {wanted.build.plan.file_name + ".dockerignore", std::string(".dockerignore")})
        if (auto text = read_in_tree(*tree, name)) {
            wanted.build.plan.ignore_lines = read_dockerignore(*text);
            break;
        }
    return {};
}

Json result_of(const Built& built) {
    Json metadata = Json::object();
    // An index is no image's configuration.
    if (!built.id.empty() && built.id != built.digest) metadata["containerimage.config.digest"] = built.id;
    if (!built.digest.empty()) metadata["containerimage.digest"] = built.digest;
    if (!built.tags.empty()) metadata["image.name"] = join(built.tags, ",");
    return {{"id", built.id}, {"digest", built.digest}, {"tags", built.tags}, {"metadata", metadata}};
}

}  // namespace

void serve_session(UniqueFd socket, std::string early, const SessionEngine& engine) {
    Cancel cancel;
    Session session(std::move(socket), std::move(early), engine.service.contexts(), engine.service.sources(), cancel);
    // A client that does not read must not hold up the engine's end.
    BuildService::Guest guest(engine.service, [&] {
        cancel.cancel();
        session.shut_down();
    });
    BuildProblem problem;
    bool usage = true;  // until the build has begun, what is wrong is what was asked for
    auto built = [&]() -> Result<Built> {
        GANTRY_TRY(Json frame, session.begin());
        GANTRY_TRY(Wanted wanted, read_build(frame, engine.service));
        session.start({wanted.contexts,
                       {wanted.secrets.begin(), wanted.secrets.end()},
                       {wanted.agents.begin(), wanted.agents.end()},
                       wanted.any_secret,
                       wanted.any_agent});
        if (!wanted.has_text) GANTRY_CHECK(read_remote(wanted, session, cancel));
        BuildWatch watch{session,
                         [&](const Graph& graph) {
                             usage = false;
                             session.set_steps(graph);
                             for (const Warning& warning : graph.warnings) session.warning(warning);
                         },
                         [&](const std::string& text) {
                             session.warning({"", text, {}});
                         }};
        return build_dockerfile(engine.service, engine.images, engine.pull, wanted.build, session, watch, cancel,
                                &problem);
    }();
    if (built) {
        if (engine.made && !built->id.empty()) engine.made(*built);
        (void)session.send({{"type", "done"}, {"result", result_of(*built)}});
        return;
    }
    Json error{{"type", "error"},
               {"message", built.error().text},
               {"first", problem.lines.first},
               {"last", problem.lines.last},
               {"usage", usage && built.error().code == Code::invalid}};
    if (problem.step) error["step"] = *problem.step;
    if (problem.exit_code != 0) error["code"] = problem.exit_code;
    (void)session.send(error);
}

}  // namespace gantry::build
