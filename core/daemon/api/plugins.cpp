// Managed plugins, which this engine has none of: its drivers are configured. So none is listed, and none is found.
#include "core/base/text.hpp"
#include "core/daemon/api/answer.hpp"
#include "core/daemon/api/api.hpp"
#include "core/daemon/api/parameters.hpp"

namespace gantry::daemon {
namespace {

void list_plugins(const http::Request& request, const Reply& reply) {
    auto filters = read_filters(request);
    if (!filters) return reply->error(filters.error());
    for (const auto& [key, values] : *filters) {
        if (key != "enabled" && key != "capability")
            return reply->error(fail(Code::invalid, "invalid filter '" + key + "'"));
        if (key != "enabled") continue;
        for (const std::string& value : values)
            if (!parse_filter_flag(value))
                return reply->error(fail(Code::invalid, "invalid filter 'enabled=" + value + "'"));
    }
    reply->json(200, Json::array());
}

}  // namespace

void register_plugins(http::Router& router) {
    router.add(
        "GET", "/plugins", [](http::Request request, Reply reply) { list_plugins(request, reply); }, http::Body::none,
        http::Run::reactor);

    auto none = [](http::Request request, Reply reply) {
        reply->error(fail(Code::not_found, "plugin " + quote_json(request.parameter("name")) + " not found"));
    };
    router.add("GET", "/plugins/{name:*}/json", none, http::Body::none, http::Run::reactor);
    router.add("DELETE", "/plugins/{name:*}", none, http::Body::none, http::Run::reactor);
    for (const char* verb : {"enable", "disable", "upgrade", "push", "set"})
        router.add("POST", std::string("/plugins/{name:*}/") + verb, none, http::Body::buffered, http::Run::reactor);

    auto unsupported = [](http::Request, Reply reply) {
        reply->error(fail(Code::unsupported,
                          "managed plugins are not supported: a driver is named in the engine's configuration"));
    };
    router.add("GET", "/plugins/privileges", unsupported, http::Body::none, http::Run::reactor);
    router.add("POST", "/plugins/pull", unsupported, http::Body::buffered, http::Run::reactor);
    router.add("POST", "/plugins/create", unsupported, http::Body::streamed, http::Run::reactor);
}

}  // namespace gantry::daemon
