// What clients of BuildKit ask first: a connection for gRPC (/grpc), and one over which they serve (/session). gantry-buildkit has
// both from here on.
#include "core/base/log.hpp"
#include "core/base/text.hpp"
#include "core/daemon/api/answer.hpp"
#include "core/daemon/api/build.hpp"

namespace gantry::daemon {
namespace {

constexpr std::size_t longest_id = 128, longest_key = 4096;

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

}  // namespace

void register_buildkit(http::Router& router, BuildkitHelper& helper) {
    router.add("POST", "/grpc", [&helper](http::Request request, Reply reply) {
        upgrade(helper, Json{{"type", "grpc"}}, request, reply);
    });
    router.add("POST", "/session", [&helper](http::Request request, Reply reply) {
        upgrade(helper, read_session(request), request, reply);
    });
}

}  // namespace gantry::daemon
