// Managed plugins.
#include <gantry/driver.hpp>

#include "core/base/text.hpp"
#include "core/daemon/api/api.hpp"
#include "core/daemon/api/json_stream.hpp"
#include "core/daemon/api/parameters.hpp"
#include "core/daemon/api/registry_request.hpp"
#include "core/plugin/plugin_config.hpp"
#include "core/plugin/plugin_service.hpp"

namespace gantry::daemon {
namespace {

using plugin::Plugin;

constexpr int longest_enable_s = 3600;

// Docker's engine calls it "enabled", its description "enable".
bool is_enabled_filter(const std::string& key) { return key == "enabled" || key == "enable"; }

bool fits(const Plugin& one, const std::string& key, const std::string& value) {
    if (is_enabled_filter(key)) return one.enabled == parse_filter_flag(value).value_or(false);
    const Json& types = one.content.config["Interface"]["Types"];
    return std::any_of(types.begin(), types.end(), [&](const Json& type) {
        return plugin::capability_of(type.get_ref<const std::string&>()) == to_lower(value);
    });
}

Result<Json> list_plugins(Deps& deps, const http::Request& request) {
    GANTRY_TRY(auto filters, read_filters(request));
    for (const auto& [key, values] : filters) {
        if (!is_enabled_filter(key) && key != "capability") return fail(Code::invalid, "invalid filter '" + key + "'");
        if (!is_enabled_filter(key)) continue;
        for (const std::string& value : values)
            if (!parse_filter_flag(value)) return fail(Code::invalid, "invalid filter '" + key + "=" + value + "'");
    }
    Json list = Json::array();
    for (const Plugin& one : deps.plugins->list()) {
        const bool wanted = std::all_of(filters.begin(), filters.end(), [&](const auto& filter) {
            return filter.second.empty() ||
                   std::any_of(filter.second.begin(), filter.second.end(),
                               [&](const std::string& value) { return fits(one, filter.first, value); });
        });
        if (wanted) list.push_back(one.to_api());
    }
    return list;
}

Result<Json> inspect_plugin(Deps& deps, const http::Request& request) {
    GANTRY_TRY(Plugin one, deps.plugins->inspect(request.parameter("name")));
    return one.to_api();
}

Result<void> create_plugin(Deps& deps, const http::Request& request) {
    GANTRY_TRY(Plugin made, deps.plugins->create(request.query_value("name"), request.body_stream.get()));
    (void)made;
    return {};
}

Result<Json> remove_plugin(Deps& deps, const http::Request& request) {
    GANTRY_TRY(Plugin gone, deps.plugins->remove(request.parameter("name"), request.query_flag("force")));
    gone.enabled = false;
    return gone.to_api();
}

Result<void> enable_plugin(Deps& deps, const http::Request& request) {
    GANTRY_TRY(auto timeout, read_number(request, "timeout"));
    if (timeout.value_or(0) < 0 || timeout.value_or(0) > longest_enable_s)
        return fail(Code::invalid, "timeout: found " + std::to_string(*timeout) + ", allowed: 0 to " +
                                       std::to_string(longest_enable_s) + " seconds");
    return deps.plugins->enable(request.parameter("name"), timeout.value_or(0));
}

Result<void> set_plugin(Deps& deps, const http::Request& request) {
    GANTRY_TRY(Json list, request.json_list());
    std::vector<std::string> arguments;
    for (const Json& argument : list) {
        if (!argument.is_string()) return fail(Code::invalid, "expected a list of texts such as \"DEBUG=1\"");
        arguments.push_back(argument);
    }
    return deps.plugins->set(request.parameter("name"), arguments);
}

Result<plugin::RemoteWish> read_wish(const http::Request& request) {
    plugin::RemoteWish wish;
    wish.remote = request.query_value("remote");
    GANTRY_TRY(wish.credentials, credentials_of(request));
    GANTRY_TRY(wish.granted, request.json_list());
    return wish;
}

Result<Json> privileges(Deps& deps, const http::Request& request, const Reply& reply) {
    GANTRY_TRY(plugin::RemoteWish wish, read_wish(request));
    auto found = deps.plugins->privileges(wish, watch(reply));
    if (!found) return of_registry(std::move(found).error());
    return found;
}

// What goes on is told line by line with 200, as Docker's engine does; what fails before has its status.
template <typename Work>
void with_progress(const http::Request& request, const Reply& reply, Work work,
                   std::map<std::string, std::string> headers = {}) {
    auto wish = read_wish(request);
    if (!wish) return reply->error(wish.error());
    const auto gone = watch(reply);
    JsonStream stream(reply, std::move(headers));
    const image::Progress progress = [&](const Json& message) { stream.send(message); };
    Result<void> done = work(*wish, progress, gone);
    if (!done) return stream.end(of_registry(std::move(done).error()));
    stream.end();
}

void pull_plugin(Deps& deps, const http::Request& request, const Reply& reply) {
    const std::string name = request.query_value("name");
    // By this header Docker's client knows what it is to set and to enable then.
    std::map<std::string, std::string> headers;
    if (auto full = plugin::full_name(name.empty() ? request.query_value("remote") : name))
        headers["Docker-Plugin-Name"] = *full;
    with_progress(
        request, reply,
        [&](const auto& wish, const auto& progress, const auto& gone) -> Result<void> {
            GANTRY_TRY(Plugin made, deps.plugins->pull(name, wish, progress, gone));
            (void)made;
            return {};
        },
        std::move(headers));
}

void upgrade_plugin(Deps& deps, const http::Request& request, const Reply& reply) {
    with_progress(request, reply, [&](const auto& wish, const auto& progress, const auto& gone) {
        return deps.plugins->upgrade(request.parameter("name"), wish, progress, gone);
    });
}

void push_plugin(Deps& deps, const http::Request& request, const Reply& reply) {
    with_progress(request, reply, [&](const auto& wish, const auto& progress, const auto& gone) {
        return deps.plugins->push(request.parameter("name"), wish.credentials, progress, gone);
    });
}

}  // namespace

void register_plugins(http::Router& router, Deps& deps) {
    using http::Body;
    router.add(
        "GET", "/plugins", [&deps](http::Request request, Reply reply) { answer(reply, list_plugins(deps, request)); },
        Body::none);
    router.add(
        "GET", "/plugins/privileges",
        [&deps](http::Request request, Reply reply) { answer(reply, privileges(deps, request, reply)); }, Body::none);
    router.add("POST", "/plugins/pull",
               [&deps](http::Request request, Reply reply) { pull_plugin(deps, request, reply); });
    router.add(
        "POST", "/plugins/create",
        [&deps](http::Request request, Reply reply) { answer(reply, create_plugin(deps, request), 204); },
        Body::streamed);
    router.add(
        "GET", "/plugins/{name:*}/json",
        [&deps](http::Request request, Reply reply) { answer(reply, inspect_plugin(deps, request)); }, Body::none);
    router.add(
        "DELETE", "/plugins/{name:*}",
        [&deps](http::Request request, Reply reply) { answer(reply, remove_plugin(deps, request)); }, Body::none);
    router.add("POST", "/plugins/{name:*}/enable",
               [&deps](http::Request request, Reply reply) { answer(reply, enable_plugin(deps, request), 200); });
    router.add("POST", "/plugins/{name:*}/disable", [&deps](http::Request request, Reply reply) {
        answer(reply, deps.plugins->disable(request.parameter("name"), request.query_flag("force")), 200);
    });
    router.add("POST", "/plugins/{name:*}/upgrade",
               [&deps](http::Request request, Reply reply) { upgrade_plugin(deps, request, reply); });
    router.add("POST", "/plugins/{name:*}/push",
               [&deps](http::Request request, Reply reply) { push_plugin(deps, request, reply); });
    router.add("POST", "/plugins/{name:*}/set",
               [&deps](http::Request request, Reply reply) { answer(reply, set_plugin(deps, request), 204); });
}

}  // namespace gantry::daemon
