#include "core/base/log.hpp"
#include "core/daemon/api/image_filters.hpp"
#include "core/daemon/api/image_platforms.hpp"
#include "core/daemon/api/answer.hpp"
#include "core/daemon/api/api.hpp"
#include "core/daemon/api/image_streams.hpp"
#include "core/daemon/api/old_versions.hpp"
#include "core/daemon/api/parameters.hpp"
#include "core/image/api.hpp"
#include "core/image/registry/platform.hpp"
#include "core/image/shared_sizes.hpp"

namespace gantry::daemon {
namespace {

// Of an image for several platforms, that of the request.
Result<std::shared_ptr<const image::Image>> find_for_platform(Deps& deps, const http::Request& request) {
    GANTRY_TRY(std::vector<Json> platforms, read_platforms(request));
    GANTRY_TRY(auto found, find_for_platforms(deps.images, request.parameter("name"), platforms));
    return found.front();
}

using Users = std::map<std::string, std::vector<std::string>>;

// What is known of an image's manifest: its descriptor, and as a list what the whole of each is: of all platforms of the index
// behind `names`, or of the one.
void add_manifests(Deps& deps, const image::Image& image, const std::vector<std::string>& names, bool whole,
                   bool identity, Users& users, Json* shown) {
    const auto manifest = deps.images.manifest_of(image.id);
    if (manifest) (*shown)["Descriptor"] = manifest->descriptor;
    if (!whole) return;
    if (Json manifests = manifests_of(deps, names, users); !manifests.is_null()) {
        (*shown)["Manifests"] = std::move(manifests);
    } else if (manifest) {
        Json alone = Json::array({image::manifest_summary(image, *manifest, users[image.id])});
        add_attestations_of(deps, image, alone);
        (*shown)["Manifests"] = std::move(alone);
    }
    if (Json known = image::identity_of(image); identity && !known.is_null() && shown->contains("Manifests"))
        for (Json& one : (*shown)["Manifests"])
            if (one.contains("ImageData")) one["ImageData"]["Identity"] = known;
}

Result<Json> list(Deps& deps, const http::Request& request) {
    GANTRY_TRY(auto filters, read_filters(request));
    GANTRY_TRY(ImageList images, filter_images(deps.images, filters));
    Json all = Json::array();
    auto users = deps.containers_of_images();
    const bool manifests = request.query_flag("manifests") || request.query_flag("identity");
    for (const auto& image : images) {
        Json summary = image::to_summary(*image, static_cast<std::int64_t>(users[image->id].size()));
        add_manifests(deps, *image, image->tags, manifests, request.query_flag("identity"), users, &summary);
        all.push_back(std::move(summary));
    }
    if (request.query_flag("shared-size")) {
        const image::SharedSizes sizes(deps.images.list());
        for (std::size_t i = 0; i < images.size(); ++i) all[i]["SharedSize"] = sizes.shared(*images[i]);
    }
    for (Json& summary : all) fit_image_summary(summary, request.version_number());
    return all;
}

Result<Json> inspect(Deps& deps, const http::Request& request) {
    const bool manifests = request.query_flag("manifests");
    if (manifests && !request.query_value("platform").empty())
        return fail(Code::invalid, "conflicting options: manifests and platform options cannot both be set");
    GANTRY_TRY(auto image, find_for_platform(deps, request));
    Json json = image::to_inspect(*image);
    json["GraphDriver"] = {{"Name", deps.config.get()->defaults.layer}, {"Data", nullptr}};
    Users users;
    if (manifests) users = deps.containers_of_images();
    add_manifests(deps, *image, {request.parameter("name")}, manifests, true, users, &json);
    if (Json known = image::identity_of(*image); !known.is_null()) json["Identity"] = std::move(known);
    fit_image(json, request.version_number());
    return json;
}

Result<Json> history(Deps& deps, const http::Request& request) {
    GANTRY_TRY(auto image, find_for_platform(deps, request));
    return image::history(*image);
}

// The image is gone whatever comes of its files: the next collection finds what this one leaves.
void collect_files_of(Deps& deps, const std::string& id) {
    if (auto freed = deps.images.collect_garbage(deps.layers_in_use()); !freed)
        log::warn("the files of a removed image could not be deleted", {{"image", id}, {"reason", freed.error().text}});
}

// Some platforms of an image for several. False: these are all that there are of it.
Result<bool> remove_platforms(Deps& deps, const http::Request& request,
                              const std::vector<std::shared_ptr<const image::Image>>& images, Json& all) {
    const std::string name = request.parameter("name");
    GANTRY_TRY(image::ImageStore::Choices choices, deps.images.choices(name));
    if (images.size() >= choices.images.size()) return false;
    for (const auto& image : images)
        if (const std::string user = deps.user_of_image(image->id); !user.empty())
            return fail(Code::conflict, "conflict: unable to delete " +
                                            image::registry::platform_of(image->config).text() + " of " + name +
                                            " - image is being used by " + user);
    for (const auto& image : images) {
        GANTRY_TRY(bool gone, deps.images.remove_variant(name, image->id));
        if (!gone) continue;
        all.push_back({{"Deleted", image->id}});
        deps.events.publish("image", "delete", image->id, {{"name", name}});
    }
    collect_files_of(deps, images.front()->id);
    return true;
}

Result<Json> remove(Deps& deps, const http::Request& request) {
    GANTRY_TRY(std::vector<Json> platforms, read_platforms(request, "platforms"));
    GANTRY_TRY(auto found, find_for_platforms(deps.images, request.parameter("name"), platforms));
    const auto image = found.front();
    if (!platforms.empty()) {
        Json some = Json::array();
        GANTRY_TRY(bool done, remove_platforms(deps, request, found, some));
        if (done) return some;
    }
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
    if (!gone.deleted.empty()) collect_files_of(deps, image->id);
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
