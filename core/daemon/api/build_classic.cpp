// Docker's classic build: the context comes as a tar, and what happens goes back as JSON messages.
#include <fcntl.h>

#include <set>

#include "core/base/text.hpp"
#include "core/build/dockerfile_build.hpp"
#include "core/build/dockerignore.hpp"
#include "core/build/filtered_tree.hpp"
#include "core/build/unpack.hpp"
#include "core/daemon/api/build.hpp"
#include "core/daemon/api/build_lines.hpp"
#include "core/daemon/api/json_stream.hpp"
#include "core/image/registry/credentials.hpp"
#include "core/image/registry/names.hpp"

namespace gantry::daemon {
namespace {

using build::Graph;

// Such a client has its files in the body, and nothing else.
class TarClient final : public build::Client {
public:
    // `logins`: of the header X-Registry-Config, by registry.
    TarClient(build::Sources& sources, std::shared_ptr<const build::Tree> tree, Json logins)
        : sources_(sources), tree_(std::move(tree)), logins_(std::move(logins)) {}
    Result<std::shared_ptr<const build::Tree>> context(const build::ContextSource& source, const build::OnProgress&,
                                                       build::Cancel& cancel) override {
        if (source.name != "context")
            return fail(Code::not_found, "there is no build context " + quote_json(source.name));
        return build::filtered(sources_, tree_, source.exclude, cancel);
    }
    Result<std::optional<std::string>> secret(const std::string&) override { return std::optional<std::string>(); }
    Result<std::optional<UniqueFd>> ssh(const std::string&) override { return std::optional<UniqueFd>(); }
    Result<build::RegistryLogin> login(const std::string& registry) override {
        for (const auto& [server, login] : logins_.items()) {
            auto host = image::registry::host_of_server(server);
            if (!host || *host != registry) continue;
            GANTRY_TRY(auto known, image::registry::read_credentials(login));
            return build::RegistryLogin{known.user, known.password, known.identity_token};
        }
        return build::RegistryLogin{};
    }
    Result<void> output(std::size_t, std::string_view, bool) override {
        return fail(Code::unsupported, "this client takes no files");
    }

private:
    build::Sources& sources_;
    std::shared_ptr<const build::Tree> tree_;
    const Json logins_;
};

Result<Json> read_json(const http::Request& request, const char* name) {
    const std::string text = request.query_value(name);
    if (text.empty()) return Json();
    Json value = Json::parse(text, nullptr, false);
    if (value.is_discarded()) return fail(Code::invalid, "\"" + std::string(name) + "\" is not JSON");
    return value;
}

// {"NAME": "value"}; null is a value that is not given.
Result<std::map<std::string, std::string>> read_map(const http::Request& request, const char* name) {
    GANTRY_TRY(Json value, read_json(request, name));
    std::map<std::string, std::string> map;
    if (value.is_null()) return map;
    if (!value.is_object()) return fail(Code::invalid, "\"" + std::string(name) + "\" must be a JSON object");
    for (const auto& [key, item] : value.items()) {
        if (item.is_null()) continue;
        if (!item.is_string()) return fail(Code::invalid, "\"" + key + "\" in \"" + name + "\" must be a text");
        map[key] = item;
    }
    return map;
}

Result<void> refuse_unsupported(const http::Request& request) {
    if (const std::string version = request.query_value("version"); version == "2")
        return fail(Code::unsupported,
                    "BuildKit's protocol (version=2) is not supported: use version=1 "
                    "(DOCKER_BUILDKIT=0), or gantry build");
    else if (!version.empty() && version != "1")
        return fail(Code::invalid, "version " + quote_json(version.substr(0, 20)) + ", allowed: 1");
    for (const char* name : {"memory", "memswap", "cpushares", "cpuperiod", "cpuquota"})
        if (const std::string value = request.query_value(name); !value.empty() && value != "0")
            return fail(Code::unsupported, "\"" + std::string(name) + "\" of a build is not supported");
    for (const char* name : {"cpusetcpus", "cpusetmems", "isolation", "outputs", "session"})
        if (const std::string value = request.query_value(name); !value.empty() && value != "default" && value != "[]")
            return fail(Code::unsupported, "\"" + std::string(name) + "\" of a build is not supported");
    GANTRY_TRY(Json security, read_json(request, "securityopt"));
    if (!security.is_null() && security != Json::array())
        return fail(Code::unsupported, "\"securityopt\" of a build is not supported");
    if (request.query_flag("squash")) return fail(Code::unsupported, "\"squash\" of a build is not supported");
    return {};
}

// Images that may serve as a cache. Docker's classic builder takes those that are here, and asks no registry.
Result<std::vector<build::CachePlace>> read_cache_from(const http::Request& request) {
    GANTRY_TRY(Json names, read_json(request, "cachefrom"));
    std::vector<build::CachePlace> places;
    if (names.is_null()) return places;
    if (!names.is_array()) return fail(Code::invalid, "\"cachefrom\" must be a JSON list of images");
    if (names.size() > 100) return fail(Code::invalid, "\"cachefrom\" has more than 100 images");
    for (const Json& name : names) {
        if (!name.is_string()) return fail(Code::invalid, "\"cachefrom\" must be a JSON list of images");
        build::CachePlace place;
        place.reference = name;
        place.shown = place.reference.substr(0, 300);
        place.pull = false;
        GANTRY_CHECK(image::parse_reference(place.reference).context("cachefrom"));
        places.push_back(std::move(place));
    }
    return places;
}

Result<build::DockerfileBuild> read_request(const http::Request& request, const build::BuildService& builds) {
    GANTRY_CHECK(refuse_unsupported(request));
    build::DockerfileBuild build;
    for (auto [at, end] = request.query.equal_range("t"); at != end; ++at)
        if (!at->second.empty()) build.request.tags.push_back(at->second);
    build.plan.file_name = request.query_value("dockerfile", "Dockerfile");
    if (build.plan.file_name.empty()) build.plan.file_name = "Dockerfile";
    GANTRY_TRY(build.plan.args, read_map(request, "buildargs"));
    GANTRY_TRY(build.plan.labels, read_map(request, "labels"));
    build.plan.target = request.query_value("target");
    build.plan.no_cache = request.query_flag("nocache");
    build.pull = request.query_flag("pull");
    GANTRY_TRY(build.cache_from, read_cache_from(request));
    build.plan.build_platform = build.plan.platform = build::own_platform();
    std::set<std::string> platforms;
    for (auto [at, end] = request.query.equal_range("platform"); at != end; ++at)
        for (std::string_view one : split(at->second, ','))
            if (!trim(one).empty()) platforms.emplace(trim(one));
    if (platforms.size() > 1)
        return fail(Code::invalid, "platform " + quote_json(request.query_value("platform").substr(0, 100)) +
                                       ": this route builds for one platform, \"gantry build\" for several");
    if (!platforms.empty()) {
        GANTRY_TRY(build.plan.platform, build::parse_platform(*platforms.begin()));
    }
    const std::string network = request.query_value("networkmode");
    if (network == "none")
        build.plan.network = build::Exec::Network::none;
    else if (network == "host") {
        build.plan.network = build::Exec::Network::host;
        GANTRY_CHECK(builds.allow({"network.host"}, &build.request.steps));
    } else if (!network.empty() && network != "default" && network != "bridge")
        return fail(Code::unsupported, "networkmode " + quote_json(network.substr(0, 100)) +
                                           " of a build is not supported, allowed: default, none, host");
    GANTRY_TRY(Json hosts, read_json(request, "extrahosts"));
    if (!hosts.is_null() && !hosts.is_array())
        return fail(Code::invalid, "\"extrahosts\" must be a JSON list of \"name:address\"");
    for (const Json& host : hosts) {
        if (!host.is_string()) return fail(Code::invalid, "\"extrahosts\" must be a JSON list of \"name:address\"");
        build.request.steps.hosts.push_back(host);
    }
    if (const std::string size = request.query_value("shmsize"); !size.empty()) {
        auto bytes = parse_int(size);
        if (!bytes || *bytes < 0)
            return fail(Code::invalid, "shmsize " + quote_json(size.substr(0, 50)) + " is no size");
        build.request.steps.shm_size = *bytes;
    }
    GANTRY_TRY(Json ulimits, read_json(request, "ulimits"));
    if (!ulimits.is_null() && !ulimits.is_array())
        return fail(Code::invalid, "\"ulimits\" must be a JSON list of {\"Name\", \"Soft\", \"Hard\"}");
    if (ulimits.is_array()) build.request.steps.ulimits = ulimits;
    build.request.steps.cgroup_parent = request.query_value("cgroupparent");
    if (auto epoch = build.plan.args.find("SOURCE_DATE_EPOCH"); epoch != build.plan.args.end()) {
        auto seconds = parse_int(epoch->second);
        if (!seconds || *seconds < 0) return fail(Code::invalid, "SOURCE_DATE_EPOCH is no number of seconds");
        build.plan.source_date_epoch = build.request.steps.epoch = *seconds;
    }
    return build;
}

// Credentials by registry: base64 of a JSON object of objects.
Result<Json> read_logins(const http::Request& request) {
    auto header = request.headers.find("x-registry-config");
    if (header == request.headers.end() || header->second.empty()) return Json::object();
    GANTRY_TRY(std::string text, image::registry::decode_base64(header->second));
    Json logins = Json::parse(text, nullptr, false);
    if (logins.is_null()) return Json::object();
    if (!logins.is_object()) return fail(Code::invalid, "X-Registry-Config is no JSON object");
    for (const Json& login : logins)
        if (!login.is_object()) return fail(Code::invalid, "X-Registry-Config is no JSON object of objects");
    return logins;
}

// The files of the body, or of where "remote" says.
Result<std::shared_ptr<const build::Tree>> read_context(build::BuildService& builds, const http::Request& request,
                                                        build::Cancel& cancel) {
    if (const std::string remote = request.query_value("remote"); !remote.empty() && remote != "client-session") {
        const bool git =
            remote.starts_with("git") || remote.ends_with(".git") || remote.find(".git#") != std::string::npos;
        return build::remote_context(builds.sources(), git ? "git" : "http", remote, {}, cancel);
    }
    GANTRY_TRY(std::string path, builds.scratch_directory());
    GANTRY_TRY(auto tree, build::DirectoryTree::open(path, true));
    build::UnpackOptions options;
    options.devices = false;
    options.cancelled = [&cancel] { return cancel.cancelled(); };
    auto unpacked = build::unpack_tar(request.body_stream.get(), tree->root(), options);
    if (!unpacked) return std::move(unpacked).error().context("read the build context");
    return tree;
}

}  // namespace

void classic_build(Deps& deps, build::BuildService& builds, NamedBuilds& named, const build::PullImage& pull,
                   http::Request request, const std::shared_ptr<http::Responder>& reply) {
    JsonStream stream(reply);
    build::Cancel cancel;
    auto entry = named.add(request.query_value("buildid"), [&cancel] { cancel.cancel(); });
    if (!entry) return stream.end(entry.error());
    stream.on_client_gone([&cancel] { cancel.cancel(); });
    build::BuildService::Guest guest(builds, [&cancel] { cancel.cancel(); });
    std::optional<BuildLines> lines;
    build::BuildProblem problem;
    auto built = [&]() -> Result<build::Built> {
        GANTRY_TRY(build::DockerfileBuild build, read_request(request, builds));
        lines.emplace(stream,
                      BuildLines::Options{request.query_flag("q"), request.query_flag("forcerm"), build.plan.labels});
        GANTRY_TRY(Json logins, read_logins(request));
        GANTRY_TRY(auto tree, read_context(builds, request, cancel));
        auto text = build::read_in_tree(*tree, build.plan.file_name);
        if (!text) {
            if (text.error().code == Code::not_found)
                return fail(Code::invalid, "Cannot locate specified Dockerfile: " + build.plan.file_name);
            return std::move(text).error();
        }
        build.text = std::move(*text);
        for (const std::string& name : {build.plan.file_name + ".dockerignore", std::string(".dockerignore")})
            if (auto ignored = build::read_in_tree(*tree, name)) {
                build.plan.ignore_lines = build::read_dockerignore(*ignored);
                break;
            }
        TarClient client(builds.sources(), std::move(tree), std::move(logins));
        build::BuildWatch watch{*lines, [&](const Graph& graph) { lines->plan(graph); },
                                [&](const std::string& warning) { lines->warn(warning); }};
        return build::build_dockerfile(builds, deps.images, pull, build, client, watch, cancel, &problem);
    }();
    stream.on_client_gone({});
    if (!built) return stream.end(lines ? lines->failed(built.error(), problem) : built.error(), problem.exit_code);
    deps.events.publish("image", "build", built->id, {{"name", built->tags.empty() ? built->id : built->tags[0]}});
    lines->done(built->id, built->tags);
    stream.end();
}

}  // namespace gantry::daemon
