#include <algorithm>

#include "core/base/labels.hpp"
#include "core/base/text.hpp"
#include "core/daemon/api/answer.hpp"
#include "core/daemon/api/api.hpp"
#include "core/daemon/api/parameters.hpp"

namespace gantry::daemon {
namespace {

using Texts = std::map<std::string, std::string>;

// A member of a body that is an object of texts.
Result<Texts> texts(const Json& body, const char* key) {
    Texts all;
    auto found = body.find(key);
    if (found == body.end() || found->is_null()) return all;
    if (!found->is_object()) return fail(Code::invalid, "\"" + std::string(key) + "\" must be an object of texts");
    for (const auto& [name, value] : found->items()) {
        if (!value.is_string())
            return fail(Code::invalid,
                        "\"" + std::string(key) + "\": the value of \"" + name.substr(0, 64) + "\" must be a text");
        all.emplace(name, value.get<std::string>());
    }
    return all;
}

Result<std::string> text(const Json& body, const char* key) {
    auto found = body.find(key);
    if (found == body.end() || found->is_null()) return std::string();
    if (!found->is_string()) return fail(Code::invalid, "\"" + std::string(key) + "\" must be a text");
    return found->get<std::string>();
}

Result<Json> create_volume(Deps& deps, const http::Request& request) {
    GANTRY_TRY(Json body, request.json());
    if (auto cluster = body.find("ClusterVolumeSpec"); cluster != body.end() && !cluster->is_null())
        return fail(Code::unsupported, "cluster volumes are not supported");
    GANTRY_TRY(std::string name, text(body, "Name"));
    GANTRY_TRY(std::string driver, text(body, "Driver"));
    GANTRY_TRY(Texts options, texts(body, "DriverOpts"));
    GANTRY_TRY(Texts labels, texts(body, "Labels"));
    const bool known = !name.empty() && deps.volumes.inspect(name);
    GANTRY_TRY(volume::Volume made, deps.volumes.create(name, driver, std::move(options), std::move(labels)));
    if (!known) deps.events.publish("volume", "create", made.name, {{"driver", made.driver}});
    return made.to_api();
}

bool fits(const volume::Volume& volume, const std::string& key, const std::string& value) {
    if (key == "name") return volume.name.find(value) != std::string::npos;
    if (key == "driver") return volume.driver == value;
    const bool used = !volume.consumers.empty();
    if (key == "dangling") return used == !parse_filter_flag(value).value_or(true);
    return has_label(volume.labels, value);
}

Result<Json> list_volumes(Deps& deps, const http::Request& request) {
    GANTRY_TRY(auto filters, read_filters(request));
    for (const auto& [key, values] : filters) {
        if (key != "name" && key != "driver" && key != "dangling" && key != "label")
            return fail(Code::invalid, "invalid filter '" + key + "'");
        if (key != "dangling") continue;
        for (const std::string& value : values)
            if (!parse_filter_flag(value)) return fail(Code::invalid, "invalid filter 'dangling=" + value + "'");
    }
    Json all = Json::array();
    for (const volume::Volume& volume : deps.volumes.list()) {
        const bool wanted = std::all_of(filters.begin(), filters.end(), [&](const auto& filter) {
            auto one = [&](const std::string& value) { return fits(volume, filter.first, value); };
            // Labels must all be there; of names and drivers one is enough.
            return filter.first == "label"
                       ? std::all_of(filter.second.begin(), filter.second.end(), one)
                       : filter.second.empty() || std::any_of(filter.second.begin(), filter.second.end(), one);
        });
        if (wanted) all.push_back(volume.to_api());
    }
    return Json{{"Volumes", std::move(all)}, {"Warnings", Json::array()}};
}

Result<Json> inspect_volume(Deps& deps, const http::Request& request) {
    GANTRY_TRY(volume::Volume volume, deps.volumes.inspect(request.parameter("name")));
    return volume.to_api();
}

Result<void> remove_volume(Deps& deps, const http::Request& request) {
    const std::string& name = request.parameter("name");
    auto volume = deps.volumes.inspect(name);
    GANTRY_CHECK(deps.volumes.remove(name, request.query_flag("force")));
    if (volume) deps.events.publish("volume", "destroy", name, {{"driver", volume->driver}});
    return {};
}

// Only a swarm's volumes can be changed, and there is none here.
Result<void> update_volume(Deps& deps, const http::Request& request) {
    if (auto version = parse_int(request.query_value("version")); !version || *version < 0)
        return fail(Code::invalid,
                    "invalid swarm object version " + quote_json(request.query_value("version")) + ": a whole number");
    GANTRY_CHECK(request.json());
    GANTRY_CHECK(deps.volumes.inspect(request.parameter("name")));
    return fail(Code::retry_later, "volume update only valid for cluster volumes, but swarm is unavailable");
}

}  // namespace

void register_volumes(http::Router& router, Deps& deps) {
    router.add(
        "GET", "/volumes", [&deps](http::Request request, Reply reply) { answer(reply, list_volumes(deps, request)); },
        http::Body::none);
    router.add("POST", "/volumes/create",
               [&deps](http::Request request, Reply reply) { answer(reply, create_volume(deps, request), 201); });
    router.add(
        "GET", "/volumes/{name}",
        [&deps](http::Request request, Reply reply) { answer(reply, inspect_volume(deps, request)); },
        http::Body::none);
    router.add("PUT", "/volumes/{name}",
               [&deps](http::Request request, Reply reply) { answer(reply, update_volume(deps, request), 200); });
    router.add(
        "DELETE", "/volumes/{name}",
        [&deps](http::Request request, Reply reply) { answer(reply, remove_volume(deps, request), 204); },
        http::Body::none);
}

}  // namespace gantry::daemon
