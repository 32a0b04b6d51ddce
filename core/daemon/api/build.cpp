#include "core/daemon/api/build.hpp"

#include "core/base/clock.hpp"
#include "core/base/text.hpp"
#include "core/build/session_build.hpp"
#include "core/daemon/api/answer.hpp"
#include "core/daemon/api/parameters.hpp"

namespace gantry::daemon {
namespace {

constexpr std::string_view session_protocol = "gantry-build/1";

void session(Deps& deps, build::BuildService& builds, const build::PullImage& pull, const http::Request& request,
             const Reply& reply) {
    auto upgrade = request.headers.find("upgrade");
    if (upgrade == request.headers.end() || upgrade->second != session_protocol)
        return reply->error(fail(Code::invalid, "a build session is asked for with \"Upgrade: gantry-build/1\""));
    auto connection = reply->hijack("application/vnd.gantry.build.v1");
    if (!connection) return;
    serve_build(deps, builds, pull, std::move(connection->socket), std::move(connection->early));
}

Result<build::BuildService::PruneFilters> read_prune(const http::Request& request) {
    build::BuildService::PruneFilters filters;
    filters.all = request.query_flag("all");
    for (const char* name : {"keep-storage", "reserved-space", "max-used-space", "min-free-space"}) {
        const std::string text = request.query_value(name);
        if (text.empty()) continue;
        auto bytes = parse_int(text);
        if (!bytes || *bytes < 0)
            return fail(Code::invalid,
                        std::string(name) + " " + quote_json(text.substr(0, 50)) + " is no number of bytes");
        std::int64_t& limit = std::string_view(name) == "min-free-space" ? filters.min_free_bytes : filters.keep_bytes;
        limit = std::max(limit, *bytes);
    }
    GANTRY_TRY(auto given, read_filters(request));
    for (const auto& [name, values] : given)
        for (const std::string& value : values) {
            if (name == "until" || name == "unused-for") {
                GANTRY_TRY(std::int64_t ns, read_time(value));
                // The oldest limit given holds.
                filters.unused_since_ns = filters.unused_since_ns == 0 ? ns : std::min(filters.unused_since_ns, ns);
            } else if (name == "id") {
                filters.ids.insert(value);
            } else if (name == "type") {
                if (value != "regular" && value != "exec.cachemount" && value != "source.local")
                    return fail(Code::invalid, "invalid type " + quote_json(value.substr(0, 50)) +
                                                   ", allowed: regular, exec.cachemount, source.local");
                filters.types.insert(value);
            } else if (name == "inuse" || name == "shared" || name == "private" || name == "description" ||
                       name == "parent" || name == "immutable" || name == "mutable") {
                return fail(Code::unsupported, "filter \"" + name + "\" of the build cache is not supported");
            } else {
                return fail(Code::invalid, "invalid filter " + quote_json(name.substr(0, 50)) +
                                               ", allowed: until, unused-for, id, type");
            }
        }
    return filters;
}

Result<Json> prune(build::BuildService& builds, const http::Request& request) {
    GANTRY_TRY(auto filters, read_prune(request));
    return builds.prune(filters);
}

}  // namespace

void serve_build(Deps& deps, build::BuildService& builds, const build::PullImage& pull, UniqueFd socket,
                 std::string early) {
    build::SessionEngine engine{
        builds, deps.images, pull, [&deps](const build::Built& built) {
            deps.events.publish("image", "build", built.id, {{"name", built.tags.empty() ? built.id : built.tags[0]}});
        }};
    build::serve_session(std::move(socket), std::move(early), engine);
}

void register_build(http::Router& router, Deps& deps, build::BuildService& builds, build::PullImage pull) {
    const auto named = std::make_shared<NamedBuilds>();
    router.add("POST", "/gantry/build", [&deps, &builds, pull](http::Request request, Reply reply) {
        session(deps, builds, pull, request, reply);
    });
    router.add(
        "POST", "/build",
        [&deps, &builds, named, pull](http::Request request, Reply reply) {
            classic_build(deps, builds, *named, pull, std::move(request), reply);
        },
        http::Body::streamed);
    router.add("POST", "/build/cancel", [named](http::Request request, Reply reply) {
        answer(reply, named->cancel(request.query_value("id")), 200);
    });
    router.add("POST", "/build/prune",
               [&builds](http::Request request, Reply reply) { answer(reply, prune(builds, request)); });
}

}  // namespace gantry::daemon
