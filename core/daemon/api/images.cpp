#include "core/base/log.hpp"
#include "core/daemon/api/image_filters.hpp"
#include "core/daemon/api/answer.hpp"
#include "core/daemon/api/api.hpp"
#include "core/daemon/api/image_streams.hpp"
#include "core/daemon/api/parameters.hpp"
#include "core/image/api.hpp"
#include "core/image/registry/platform.hpp"
#include "core/image/shared_sizes.hpp"

namespace gantry::daemon {
namespace {

// An image is of one platform here: the one of the request, or it is not here. "manifests" and "identity" add to an answer what a
// store has that keeps whole indexes; of one that does not, as this, Docker leaves "Manifests" and "Identity" out.
Result<std::shared_ptr<const image::Image>> find_for_platform(Deps& deps, const http::Request& request,
                                                              const char* parameter = "platform") {
    GANTRY_TRY(auto image, deps.images.find(request.parameter("name")));
    GANTRY_TRY(std::vector<Json> platforms, read_platforms(request, parameter));
    const image::registry::Platform offered = image::registry::platform_of(image->config);
    for (const Json& platform : platforms)
        if (const auto wanted = image::registry::platform_of(platform); image::registry::fitness(wanted, offered) == 0)
            return fail(Code::not_found, "image with reference " + request.parameter("name") +
                                             " was found but does not provide the specified platform (" +
                                             wanted.text() + "): it is for " + offered.text());
    return image;
}

Result<Json> list(Deps& deps, const http::Request& request) {
    GANTRY_TRY(auto filters, read_filters(request));
    GANTRY_TRY(ImageList images, filter_images(deps.images, filters));
    Json all = Json::array();
    for (const auto& image : images) all.push_back(image::to_summary(*image, -1));
    if (request.query_flag("shared-size")) {
        const image::SharedSizes sizes(deps.images.list());
        for (std::size_t i = 0; i < images.size(); ++i) all[i]["SharedSize"] = sizes.shared(*images[i]);
    }
    return all;
}

Result<Json> inspect(Deps& deps, const http::Request& request) {
    GANTRY_TRY(auto image, find_for_platform(deps, request));
    Json json = image::to_inspect(*image);
    json["GraphDriver"] = {{"Name", deps.config.get()->defaults.layer}, {"Data", nullptr}};
    return json;
}

Result<Json> history(Deps& deps, const http::Request& request) {
    GANTRY_TRY(auto image, find_for_platform(deps, request));
    return image::history(*image);
}

Result<Json> remove(Deps& deps, const http::Request& request) {
    GANTRY_TRY(auto image, find_for_platform(deps, request, "platforms"));
    GANTRY_TRY(image::Deleted gone, deps.images.remove(request.parameter("name"), request.query_flag("force"),
                                                       !request.query_flag("noprune"), deps.user_of_image));
    Json all = Json::array();
    for (const std::string& tag : gone.untagged) {
        all.push_back({{"Untagged", tag}});
        deps.events.publish("image", "untag", image->id, {{"name", image->id}});
    }
    for (const std::string& id : gone.deleted) {
        all.push_back({{"Deleted", id}});
        if (id == image->id) deps.events.publish("image", "delete", id, {{"name", id}});
    }
    // The image is gone whatever comes of its files: the next collection finds what this one leaves.
    if (!gone.deleted.empty())
        if (auto freed = deps.images.collect_garbage(deps.layers_in_use()); !freed)
            log::warn("the files of a removed image could not be deleted",
                      {{"image", image->id}, {"reason", freed.error().text}});
    return all;
}

Result<void> tag(Deps& deps, const http::Request& request) {
    const std::string repository = request.query_value("repo"), name = request.query_value("tag");
    if (repository.empty()) return fail(Code::invalid, "invalid reference format: \"repo\" is empty");
    const std::string target = name.empty() ? repository : repository + ":" + name;
    GANTRY_CHECK(deps.images.tag(request.parameter("name"), target));
    GANTRY_TRY(auto image, deps.images.find(target));
    deps.events.publish("image", "tag", image->id, {{"name", target}});
    return {};
}

}  // namespace

void register_images(http::Router& router, Deps& deps) {
    router.add(
        "GET", "/images/json", [&deps](http::Request request, Reply reply) { answer(reply, list(deps, request)); },
        http::Body::none);
    router.add(
        "GET", "/images/{name:*}/json",
        [&deps](http::Request request, Reply reply) { answer(reply, inspect(deps, request)); }, http::Body::none);
    router.add(
        "GET", "/images/{name:*}/history",
        [&deps](http::Request request, Reply reply) { answer(reply, history(deps, request)); }, http::Body::none);
    router.add(
        "DELETE", "/images/{name:*}",
        [&deps](http::Request request, Reply reply) { answer(reply, remove(deps, request)); }, http::Body::none);
    router.add("POST", "/images/{name:*}/tag",
               [&deps](http::Request request, Reply reply) { answer(reply, tag(deps, request), 201); });
    router.add(
        "POST", "/images/load",
        [&deps](http::Request request, Reply reply) { load_images(deps, std::move(request), reply); },
        http::Body::streamed);
    router.add(
        "POST", "/images/create",
        [&deps](http::Request request, Reply reply) { create_image(deps, std::move(request), reply); },
        http::Body::streamed);
    router.add("POST", "/gantry/images/bootstrap",
               [&deps](http::Request request, Reply reply) { bootstrap_image(deps, request, reply); });
}

}  // namespace gantry::daemon
