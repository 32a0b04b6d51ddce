// What clients of BuildKit ask first: a connection for gRPC (/grpc), and one over which they serve (/session). gantry-buildkit has
// both from here on.
#include <sys/socket.h>

#include <algorithm>

#include "core/base/clock.hpp"
#include "core/base/log.hpp"
#include "core/base/text.hpp"
#include "core/daemon/api/answer.hpp"
#include "core/daemon/api/build.hpp"

namespace gantry::daemon {
namespace {

constexpr std::size_t longest_id = 128, longest_key = 4096;

// A socket that nobody reads from any more is no signal.
bool send_whole(int socket, std::string_view data) {
    while (!data.empty()) {
        const ssize_t n = ::send(socket, data.data(), data.size(), MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        data.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
}

Result<Json> read_session(const http::Request& request) {
    auto header = [&](const char* name) {
        auto found = request.headers.find(name);
        return found == request.headers.end() ? std::string() : found->second;
    };
    const std::string id = header("x-docker-expose-session-uuid"), key = header("x-docker-expose-session-sharedkey");
    if (id.empty() || id.size() > longest_id || key.size() > longest_key)
        return fail(Code::invalid, "a session has an X-Docker-Expose-Session-Uuid of 1 to 128 characters");
    return Json{{"type", "session"}, {"id", id}, {"key", key}};
}

void upgrade(BuildkitHelper& helper, const Result<Json>& what, const http::Request& request, const Reply& reply) {
    if (!helper.there())
        return reply->error(fail(Code::unsupported,
                                 "BuildKit is not supported, since gantry-buildkit is not installed: build with "
                                 "DOCKER_BUILDKIT=0, or with gantry build"));
    auto protocol = request.headers.find("upgrade");
    if (protocol == request.headers.end() || to_lower(protocol->second) != "h2c")
        return reply->error(fail(Code::invalid, "this is asked for with \"Upgrade: h2c\""));
    if (!what) return reply->error(what.error());
    auto connection = reply->upgrade("h2c");
    if (!connection) return;
    // A client of HTTP/2 says nothing before it has its answer, and one over which it serves waits for us.
    if (!connection->early.empty()) return log::warn("a client of BuildKit spoke before it was answered");
    if (auto taken = helper.hand_over(*what, std::move(connection->socket)); !taken)
        log::error("a client of BuildKit is not served", {{"reason", taken.error().text}});
}

std::set<std::string> set_of(const Json& question, const char* key) {
    std::set<std::string> texts;
    auto found = question.find(key);
    if (found != question.end() && found->is_array())
        for (const Json& item : *found)
            if (item.is_string()) texts.insert(item);
    return texts;
}

std::int64_t number_of(const Json& question, const char* key) {
    auto found = question.find(key);
    return found != question.end() && found->is_number_integer() ? found->get<std::int64_t>() : 0;
}

// The records of the cache, or those of them that are deleted.
Result<Json> answer_cache(build::BuildService& builds, const Json& question) {
    const std::set<std::string> ids = set_of(question, "ids"), types = set_of(question, "types");
    for (const std::string& type : types)
        if (type != "regular" && type != "exec.cachemount" && type != "source.local")
            return fail(Code::invalid, "invalid type " + quote_json(type.substr(0, 50)) +
                                           ", allowed: regular, exec.cachemount, source.local");
    auto all = builds.usage();
    std::set<std::string> deleted;
    const bool prune = question.value("type", Json()) == "prune";
    if (prune) {
        build::BuildService::PruneFilters filters;
        filters.all = question.value("all", Json()) == true;
        filters.ids = ids;
        filters.types = types;
        filters.keep_bytes = number_of(question, "keep_bytes");
        if (const std::int64_t keep_ns = number_of(question, "keep_ns"); keep_ns > 0)
            filters.unused_since_ns = wall_clock_ns() - keep_ns;
        GANTRY_TRY(const Json done, builds.prune(filters));
        deleted = set_of(done, "CachesDeleted");
    }
    Json records = Json::array();
    for (Json& record : all) {
        const std::string id = record["ID"], type = record["Type"];
        const bool named = ids.empty() || std::any_of(ids.begin(), ids.end(), [&](const std::string& wanted) {
                               return id.starts_with(wanted);
                           });
        if (prune ? deleted.contains(id) : named && (types.empty() || types.contains(type)))
            records.push_back(std::move(record));
    }
    return records;
}

}  // namespace

void serve_buildkit(Deps& deps, build::BuildService& builds, const build::PullImage& pull, const Json& question,
                    UniqueFd socket) {
    if (question.value("type", Json()) == "build") return serve_build(deps, builds, pull, std::move(socket), {});
    auto answer = answer_cache(builds, question);
    const Json told = answer ? std::move(*answer) : Json{{"message", answer.error().text}};
    // One that does not wait for its answer has none.
    (void)send_whole(socket.get(), told.dump(-1, ' ', false, Json::error_handler_t::replace));
}

void register_buildkit(http::Router& router, BuildkitHelper& helper) {
    router.add("POST", "/grpc", [&helper](http::Request request, Reply reply) {
        upgrade(helper, Json{{"type", "grpc"}}, request, reply);
    });
    router.add("POST", "/session", [&helper](http::Request request, Reply reply) {
        upgrade(helper, read_session(request), request, reply);
    });
}

}  // namespace gantry::daemon
