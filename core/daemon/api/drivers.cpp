// /gantry/drivers: what was found, from which file, with which abilities, and why a file was refused.
#include <algorithm>

#include "core/base/text.hpp"
#include "core/daemon/api/answer.hpp"
#include "core/daemon/api/api.hpp"

namespace gantry::daemon {
namespace {

Json to_json(const driver::Found& found) {
    return {{"name", found.name},       {"file", found.file},           {"kind", found.kind},
            {"version", found.version}, {"isolation", found.isolation}, {"summary", found.summary},
            {"loaded", found.loaded},   {"problem", found.problem},     {"description", found.description}};
}

// The engine's own drivers and, from the launcher, those of runtimes: it is there that those are loaded.
Json all_drivers(Deps& deps) {
    Json all = Json::array();
    Json runtimes = Json::array();
    if (auto known = deps.runtime_drivers(); known && known->is_array()) runtimes = std::move(*known);
    for (const driver::Found& found : deps.drivers.list()) {
        const bool told =
            found.kind == "runtime" && std::any_of(runtimes.begin(), runtimes.end(), [&](const Json& one) {
                return one.is_object() && one.value("name", Json()) == found.name;
            });
        if (!told) all.push_back(to_json(found));
    }
    for (Json& one : runtimes)
        if (one.is_object()) all.push_back(std::move(one));
    return all;
}

Result<Json> one_driver(Deps& deps, const std::string& name) {
    Json all = all_drivers(deps);
    std::vector<std::string> names;
    for (Json& one : all) {
        if (one.value("name", Json()) == name) return std::move(one);
        if (one.value("name", Json()).is_string()) names.push_back(one["name"].get<std::string>());
    }
    const std::string near = nearest(name, names);
    return fail(Code::not_found,
                "no such driver: \"" + name + "\"" +
                    (near.empty() ? "; there are " + join(names, ", ") : "; did you mean \"" + near + "\"?"));
}

Result<Json> check(Deps& deps, const http::Request& request) {
    GANTRY_TRY(Json body, request.json());
    auto file = body.find("file");
    if (file == body.end() || !file->is_string() || !file->get_ref<const std::string&>().starts_with('/'))
        return fail(Code::invalid, "\"file\" must be the absolute path of a driver file");
    return driver::check_file(file->get<std::string>(), deps.driver_settings);
}

}  // namespace

void register_drivers(http::Router& router, Deps& deps) {
    router.add(
        "GET", "/gantry/drivers", [&deps](http::Request, Reply reply) { reply->json(200, all_drivers(deps)); },
        http::Body::none);
    router.add(
        "GET", "/gantry/drivers/{name}",
        [&deps](http::Request request, Reply reply) { answer(reply, one_driver(deps, request.parameter("name"))); },
        http::Body::none);
    router.add("POST", "/gantry/drivers/check",
               [&deps](http::Request request, Reply reply) { answer(reply, check(deps, request)); });
}

}  // namespace gantry::daemon
