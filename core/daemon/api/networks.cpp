#include <algorithm>

#include <gantry/driver.hpp>

#include "core/base/labels.hpp"
#include "core/base/text.hpp"
#include "core/daemon/api/answer.hpp"
#include "core/daemon/api/api.hpp"
#include "core/daemon/api/body.hpp"
#include "core/daemon/api/parameters.hpp"

namespace gantry::daemon {
namespace {

Result<Json> create_network(Deps& deps, const http::Request& request) {
    GANTRY_TRY(Json body, read_body(request, network_shape()));
    GANTRY_TRY(Json made, deps.networks.create(body));
    const std::string id = member<std::string>(made, "Id");
    deps.events.publish("network", "create", id,
                        {{"name", member<std::string>(body, "Name")},
                         {"type", member<std::string>(body, "Driver", deps.config.get()->defaults.network)}});
    return made;
}

bool fits(Deps& deps, const Json& network, const std::string& key, const std::string& value) {
    const std::string name = member<std::string>(network, "Name");
    if (key == "name") return name.find(value) != std::string::npos;
    if (key == "id") return member<std::string>(network, "Id").starts_with(value);
    if (key == "driver") return member<std::string>(network, "Driver") == value;
    if (key == "scope") return member<std::string>(network, "Scope") == value;
    if (key == "label") return has_label(member<Json>(network, "Labels", Json::object()), value);
    if (key == "dangling") {
        // A list does not tell who is on a network.
        auto whole = deps.networks.inspect(member<std::string>(network, "Id"));
        const bool used = whole && !member<Json>(*whole, "Containers", Json::object()).empty();
        return used == !parse_filter_flag(value).value_or(true);
    }
    const bool built_in =
        name == network::default_network || name == network::host_network || name == network::none_network;
    return (value == "builtin") == built_in;  // type
}

Result<void> check_filters(const std::map<std::string, std::vector<std::string>>& filters) {
    static const std::vector<std::string> known = {"name", "id", "driver", "scope", "label", "dangling", "type"};
    for (const auto& [key, values] : filters) {
        if (std::find(known.begin(), known.end(), key) == known.end())
            return fail(Code::invalid, "invalid filter '" + key + "'");
        for (const std::string& value : values) {
            const bool sound = key == "type"       ? value == "custom" || value == "builtin"
                               : key == "dangling" ? parse_filter_flag(value).has_value()
                               : key == "scope"    ? value == "local" || value == "global" || value == "swarm"
                                                   : true;
            if (!sound) return fail(Code::invalid, "invalid filter '" + key + "=" + value + "'");
        }
    }
    return {};
}

Result<Json> list_networks(Deps& deps, const http::Request& request) {
    GANTRY_TRY(auto filters, read_filters(request));
    GANTRY_CHECK(check_filters(filters));
    Json all = Json::array();
    for (Json& network : deps.networks.list()) {
        const bool wanted = std::all_of(filters.begin(), filters.end(), [&](const auto& filter) {
            auto one = [&](const std::string& value) { return fits(deps, network, filter.first, value); };
            return filter.first == "label"
                       ? std::all_of(filter.second.begin(), filter.second.end(), one)
                       : filter.second.empty() || std::any_of(filter.second.begin(), filter.second.end(), one);
        });
        if (wanted) all.push_back(std::move(network));
    }
    return all;
}

Result<Json> inspect_network(Deps& deps, const http::Request& request) {
    // What more there is to say of a network is a swarm's; but the word must be one.
    if (const std::string verbose = request.query_value("verbose"); !verbose.empty() && !parse_bool(verbose))
        return fail(Code::invalid,
                    "invalid value for verbose: " + quote_json(verbose.substr(0, 64)) + " (must be boolean)");
    const std::string scope = request.query_value("scope");
    if (!scope.empty() && scope != "local")
        return fail(Code::not_found, "network " + request.parameter("id") + " not found");
    return deps.networks.inspect(request.parameter("id"));
}

Result<void> remove_network(Deps& deps, const http::Request& request) {
    const std::string& wanted = request.parameter("id");
    auto network = deps.networks.inspect(wanted);
    GANTRY_CHECK(deps.networks.remove(wanted));
    if (network)
        deps.events.publish(
            "network", "destroy", member<std::string>(*network, "Id"),
            {{"name", member<std::string>(*network, "Name")}, {"type", member<std::string>(*network, "Driver")}});
    return {};
}

enum class Verb { connect = 1, disconnect };

Result<void> change(Deps& deps, const http::Request& request, Verb verb) {
    GANTRY_TRY(Json body, read_body(request, verb == Verb::connect ? connect_shape() : disconnect_shape()));
    const std::string container = member<std::string>(body, "Container");
    if (container.empty()) return fail(Code::invalid, "\"Container\" is not given");
    // Which network, before anything is done: the event needs it, and an unknown one is its own error.
    GANTRY_TRY(Json network, deps.networks.inspect(request.parameter("id")));
    const std::string id = member<std::string>(network, "Id");
    GANTRY_CHECK((verb == Verb::connect ? deps.connect_network : deps.disconnect_network)(id, body));
    deps.events.publish("network", verb == Verb::connect ? "connect" : "disconnect", id,
                        {{"container", container},
                         {"name", member<std::string>(network, "Name")},
                         {"type", member<std::string>(network, "Driver")}});
    return {};
}

}  // namespace

void register_networks(http::Router& router, Deps& deps) {
    router.add(
        "GET", "/networks",
        [&deps](http::Request request, Reply reply) { answer(reply, list_networks(deps, request)); }, http::Body::none);
    router.add("POST", "/networks/create",
               [&deps](http::Request request, Reply reply) { answer(reply, create_network(deps, request), 201); });
    router.add(
        "GET", "/networks/{id}",
        [&deps](http::Request request, Reply reply) { answer(reply, inspect_network(deps, request)); },
        http::Body::none);
    router.add(
        "DELETE", "/networks/{id}",
        [&deps](http::Request request, Reply reply) { answer(reply, remove_network(deps, request), 204); },
        http::Body::none);
    router.add(
        "GET", "/gantry/networks/{id}/peers",
        [&deps](http::Request request, Reply reply) { answer(reply, deps.networks.peers(request.parameter("id"))); },
        http::Body::none);
    router.add("POST", "/networks/{id}/connect", [&deps](http::Request request, Reply reply) {
        answer(reply, change(deps, request, Verb::connect), 200);
    });
    router.add("POST", "/networks/{id}/disconnect", [&deps](http::Request request, Reply reply) {
        answer(reply, change(deps, request, Verb::disconnect), 200);
    });
}

}  // namespace gantry::daemon
