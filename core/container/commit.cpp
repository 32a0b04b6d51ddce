// POST /commit: what a container changed becomes a layer, and its configuration an image's.
#include "core/base/failpoint.hpp"
#include "core/base/text.hpp"
#include "core/container/entry.hpp"
#include "core/container/mount_points.hpp"
#include "core/image/changes.hpp"
#include "core/image/layer_diff.hpp"

namespace gantry::container {
namespace {

// What of a container's configuration an image has, too.
constexpr const char* image_keys[] = {"User",       "ExposedPorts", "Env",        "Entrypoint",  "Cmd",   "Volumes",
                                      "WorkingDir", "Labels",       "StopSignal", "Healthcheck", "Shell", "OnBuild"};

bool is_given(const Json& config, const char* key) {
    auto found = config.find(key);
    return found != config.end() && !found->is_null() && !found->empty() && *found != "";
}

// The configuration told with the request goes before the container's; both for what is merged key by key.
Json image_config(const Json& container, const Json& told) {
    Json config = Json::object();
    for (const char* key : image_keys) {
        if (is_given(container, key)) config[key] = container[key];
        if (!is_given(told, key)) continue;
        if (told[key].is_object() && config.contains(key) && config[key].is_object())
            config[key].update(told[key]);
        else
            config[key] = told[key];
    }
    // A program of its own takes no arguments of another's.
    if (is_given(told, "Entrypoint") && !is_given(told, "Cmd")) config.erase("Cmd");
    return config;
}

}  // namespace

Result<std::string> ContainerService::commit(const std::string& ref, const CommitWish& wish, const Json& told) {
    GANTRY_TRY(EntryPtr entry, find(ref));
    Container c = entry->snapshot();
    if (c.state.status == Status::removing || c.state.status == Status::dead)
        return fail(Code::conflict, "You cannot commit container " + c.id + " which is being removed");
    image::CommitRequest request;
    request.base = c.image_id;
    request.author = wish.author;
    request.comment = wish.comment;
    request.reference =
        wish.repository.empty() || wish.tag.empty() ? wish.repository : wish.repository + ":" + wish.tag;
    if (wish.repository.empty() && !wish.tag.empty())
        return fail(Code::invalid, "invalid reference format: \"tag\" is given and \"repo\" is empty");
    request.config = image_config(c.config, told);
    for (const std::string& change : wish.changes) GANTRY_CHECK(image::apply_change(request.config, change));
    if (c.config.contains("Cmd") && c.config["Cmd"].is_array())
        request.created_by = join(c.config["Cmd"].get<std::vector<std::string>>(), " ");
    if (!request.reference.empty()) GANTRY_CHECK(image::parse_reference(request.reference));

    // A container that runs on while it is copied gives files from different moments.
    bool paused = false;
    std::int64_t intent = 0;
    if (wish.pause && c.state.status == Status::running) {
        // Recovery lets it go on where this engine does not come to it.
        GANTRY_TRY(intent, with_.store.begin_intent("container", c.id, "commit", Json::object()));
        auto held = pause(c.id);
        paused = bool(held);
        if (!held) (void)with_.store.end_intent(intent);
        if (!held && held.error().code != Code::conflict) return std::move(held).error().context("pause the container");
    }
    ScopeGuard resume([&] {
        if (!paused) return;
        (void)unpause(c.id);
        (void)with_.store.end_intent(intent);
    });
    GANTRY_FAILPOINT("container.commit.paused");
    GANTRY_TRY(auto layers, with_.drivers.get(driver::Kind::layer, c.layer_driver));
    GANTRY_TRY(auto changed, layer_changes(c));
    std::set<std::string> hidden = hide_mount_points(changed);
    std::string id;
    if (changed.empty()) {
        GANTRY_TRY(id, with_.images.commit(nullptr, request));
    } else {
        GANTRY_TRY(auto diff, image::layer_diff(layers, c.layer));
        auto layer = without_members(std::move(diff), std::move(hidden));
        GANTRY_TRY(id, with_.images.commit(layer.get(), request));
    }
    publish(*entry, "commit", {{"comment", wish.comment}, {"imageID", id}, {"imageRef", request.reference}});
    return id;
}

}  // namespace gantry::container
