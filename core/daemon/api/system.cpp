// _ping, version, info, events.
#include "core/base/clock.hpp"
#include "core/daemon/api/answer.hpp"
#include "core/daemon/api/api.hpp"
#include "core/daemon/api/info.hpp"
#include "core/daemon/api/old_versions.hpp"
#include "core/daemon/api/parameters.hpp"

namespace gantry::daemon {
namespace {

void ping(http::Request, Reply reply) {
    // Of the builder behind POST /build, which speaks no BuildKit: a client before 23 that hears of 2 asks it for that. Later ones come
    // over /grpc in any case.
    static const std::map<std::string, std::string> headers = {{"Cache-Control", "no-cache, no-store, must-revalidate"},
                                                               {"Pragma", "no-cache"},
                                                               {"Builder-Version", "1"},
                                                               {"Swarm", "inactive"}};
    reply->text(200, "text/plain; charset=utf-8", "OK", headers);
}

// A time before 1970 is as good as the first event; 0 would mean "none".
Result<std::int64_t> read_event_time(const http::Request& request, const char* name) {
    GANTRY_TRY(std::int64_t time, read_time(request.query_value(name)));
    const bool given = !request.query_value(name).empty();
    return given && time <= 0 ? std::int64_t{1} : time;
}

// docker-compose 1.29 reads the old fields in whatever version it speaks, and Debian's speaks the newest that the engine has.
bool reads_old_events(const http::Request& request) {
    auto agent = request.headers.find("user-agent");
    return agent != request.headers.end() && agent->second.starts_with("docker-compose/1.");
}

Result<EventBus::Subscription> read_subscription(const http::Request& request) {
    EventBus::Subscription wish;
    GANTRY_TRY(wish.since_ns, read_event_time(request, "since"));
    GANTRY_TRY(wish.until_ns, read_event_time(request, "until"));
    if (wish.since_ns != 0 && wish.until_ns != 0 && wish.until_ns < wish.since_ns)
        return fail(Code::invalid, "`since` time (" + request.query_value("since") +
                                       ") cannot be after `until` time (" + request.query_value("until") + ")");
    GANTRY_TRY(wish.filters, read_filters(request));
    GANTRY_CHECK(check_event_filters(wish.filters));
    wish.old_fields = request.version_number() < 152 || reads_old_events(request);
    return wish;
}

std::string events_type(const http::Request& request) {
    auto accept = request.headers.find("accept");
    if (accept != request.headers.end())
        for (const char* type : {"application/jsonl", "application/x-ndjson", "application/json-seq"})
            if (accept->second.find(type) != std::string::npos) return type;
    return "application/json";
}

}  // namespace

void register_system(http::Router& router, Deps& deps) {
    router.add("GET", "/_ping", ping, http::Body::none, http::Run::reactor);

    router.add(
        "GET", "/version", [](http::Request, Reply reply) { reply->json(200, system_version()); }, http::Body::none);

    router.add(
        "GET", "/info",
        [&deps](http::Request request, Reply reply) {
            Json info = system_info(deps);
            fit_info(info, request.version_number());
            reply->json(200, info);
        },
        http::Body::none);

    router.add(
        "GET", "/events",
        [&deps](http::Request request, Reply reply) {
            auto wish = read_subscription(request);
            if (!wish) return reply->error(wish.error());
            const std::string type = events_type(request);
            wish->record_separator = type == "application/json-seq";
            (void)deps.events.subscribe(reply->stream(200, type), std::move(*wish));
        },
        http::Body::none);
}

}  // namespace gantry::daemon
