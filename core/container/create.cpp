// POST /containers/create: a name, a layer, volumes, a record. Wholly there when it is told, wholly gone otherwise.
#include <sys/stat.h>

#include "core/base/clock.hpp"
#include "core/base/failpoint.hpp"
#include "core/base/files.hpp"
#include "core/base/ids.hpp"
#include "core/base/log.hpp"
#include "core/container/copy_up.hpp"
#include "core/container/devices.hpp"
#include "core/container/entry.hpp"
#include "core/image/api.hpp"
#include "core/container/log_options.hpp"
#include "core/container/mounts.hpp"
#include "core/container/network_wishes.hpp"
#include "core/container/rootfs_view.hpp"
#include "core/container/spec.hpp"

namespace gantry::container {
namespace {

std::map<std::string, std::string> strings_of(const Json& object) {
    std::map<std::string, std::string> result;
    if (object.is_object())
        for (const auto& [key, value] : object.items())
            result[key] = value.is_string() ? value.get<std::string>() : value.dump();
    return result;
}

}  // namespace

Result<Json> ContainerService::create(const std::string& wanted_name, const Json& body) {
    GANTRY_CHECK(launcher_ready());
    if (body.contains("Image") && !body["Image"].is_string())
        return fail(Code::invalid, std::string("Image: expected a string, found ") + body["Image"].type_name());
    std::string image_name = body.value("Image", "");
    if (image_name.empty()) return fail(Code::invalid, "no image specified: \"Image\" is empty");
    GANTRY_TRY(auto image, with_.images.find(image_name));
    std::vector<std::string> warnings;
    Json image_config = image->config.value("config", Json::object());
    if (!image_config.is_object()) image_config = Json::object();
    GANTRY_TRY(Container record, read_create_request(body, image_config, adjustable()->defaults, &warnings));
    record.id = new_id();
    record.image = image_name;
    record.image_id = image->id;
    if (auto manifest = with_.images.manifest_of(image->id)) {
        record.image_manifest = manifest->descriptor;
        record.image_manifest["platform"] = image::platform_of(*image);
    }
    record.created_ns = wall_clock_ns();
    record.layer = "container-" + record.id;
    if (record.config["Hostname"] == "" && record.host_config["UTSMode"] != "host")
        record.config["Hostname"] = record.network_mode() == "host" ? host_name() : record.id.substr(0, 12);

    // Everything that can be known to be wrong is said before anything is made.
    GANTRY_CHECK(read_security_options(record.host_config));
    GANTRY_CHECK(check_devices(record.host_config));
    GANTRY_CHECK(log_settings(record.host_config["LogConfig"], "/", record.config));
    GANTRY_CHECK(with_.drivers.get(driver::Kind::layer, record.layer_driver));
    GANTRY_CHECK(check_runtime(record.runtime));
    GANTRY_CHECK(settle_links(record));
    GANTRY_TRY(NetworkWishes wishes, network_wishes(record));
    GANTRY_CHECK(with_.networks.check(wishes.mode, wishes.endpoints, wishes.ports));
    GANTRY_TRY(WantedMounts mounts, wanted_mounts(record.config, record.host_config,
                                                  [&](const std::string& ref) -> Result<std::vector<MountPoint>> {
                                                      GANTRY_TRY(EntryPtr from, find(ref));
                                                      return from->snapshot().mounts;
                                                  }));
    for (auto& warning : mounts.warnings) warnings.push_back(std::move(warning));
    GANTRY_TRY(std::vector<std::string> views, resolve_image_mounts(record.layer, mounts.points));

    // The name is taken first, in memory; the store's own rule is the second line.
    std::string name = wanted_name.starts_with('/') ? wanted_name.substr(1) : wanted_name;
    if (!name.empty() && !valid_name(name))
        return fail(Code::invalid, "Invalid container name (" + name + "), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed");
    {
        std::lock_guard lock(index_mutex_);
        if (name.empty())
            name = random_name([&](const std::string& candidate) { return names_.contains(candidate); });
        else if (auto taken = names_.find(name); taken != names_.end())
            return fail(Code::conflict,
                        "Conflict. The container name \"/" + name + "\" is already in use by container \"" +
                            taken->second +
                            "\". You have to remove (or rename) that container to be able to reuse that name.");
        names_[name] = record.id;
    }
    record.name = name;
    ScopeGuard free_name([&] {
        std::lock_guard lock(index_mutex_);
        names_.erase(name);
    });

    GANTRY_TRY(
        std::int64_t intent,
        with_.store.begin_intent("container", record.id, "create",
                                 {{"layer", record.layer}, {"layer_driver", record.layer_driver}, {"views", views}}));
    ScopeGuard end_intent([&] { (void)with_.store.end_intent(intent); });
    GANTRY_FAILPOINT("container.create.after_intent");
    GANTRY_TRY(auto layers, with_.drivers.get(driver::Kind::layer, record.layer_driver));
    GANTRY_TRY(driver::Reply prepared,
               layers->call("layer/1", "prepare",
                            {{"key", record.layer}, {"parent", image->top_layer()}, {"labels", Json::object()}}));
    ScopeGuard drop_layer([&] { discard_layer(record.layer_driver, record.layer); });
    GANTRY_FAILPOINT("container.create.after_layer");
    ScopeGuard drop_views([&] {
        for (const std::string& view : views) discard_layer(record.layer_driver, view);
    });
    GANTRY_CHECK(make_image_views(record, mounts.points));

    std::vector<std::string> published;
    std::vector<std::string> made;
    ScopeGuard drop_volumes([&] {
        for (const auto& volume : published) (void)with_.volumes.unpublish(volume, record.id);
        for (const auto& volume : made) (void)with_.volumes.remove(volume, true);
    });
    for (std::size_t i = 0; i < mounts.points.size(); ++i) {
        MountPoint& point = mounts.points[i];
        if (point.type == "bind" && point.create_source && !path_exists(point.source)) {
            warnings.push_back("bind source \"" + point.source +
                               "\" did not exist and was made as a directory owned by root");
            GANTRY_CHECK(make_directories(point.source, 0755));
        }
        if (point.type != "volume") continue;
        auto options = mounts.volume_options.find(i);
        auto labels = mounts.volume_labels.find(i);
        if (point.driver.empty()) point.driver = record.host_config["VolumeDriver"].get<std::string>();
        bool known = !point.name.empty() && bool(with_.volumes.inspect(point.name));
        GANTRY_TRY(
            volume::Volume volume,
            with_.volumes.create(point.name, known ? "" : point.driver,
                                 options == mounts.volume_options.end() || known ? std::map<std::string, std::string>{}
                                                                                 : strings_of(options->second),
                                 labels == mounts.volume_labels.end() || known ? std::map<std::string, std::string>{}
                                                                               : strings_of(labels->second),
                                 point.name.empty() ? record.id : ""));
        if (point.name.empty()) made.push_back(volume.name);
        point.name = volume.name;
        point.driver = volume.driver;
        point.source = volume.path;
        published.push_back(volume.name);
        GANTRY_TRY(auto mount, with_.volumes.publish(volume.name, record.id, false));
        if (point.copy && point.subpath.empty()) {
            GANTRY_TRY(UniqueFd root, open_rootfs(prepared.result["mounts"], Access::read_only));
            GANTRY_CHECK(copy_up(root.get(), point.destination, mount.mount.get())
                             .context("fill volume \"" + volume.name + "\" from the image"));
        }
        GANTRY_FAILPOINT("container.create.after_volume");
    }
    record.mounts = std::move(mounts.points);
    GANTRY_CHECK(make_directories(directory(record.id) + "/log"));
    ScopeGuard drop_directory([&] { (void)remove_tree(directory(record.id)); });

    auto entry = std::make_shared<Entry>();
    entry->record = record;  // a copy: the guards above say by it what they take back
    GANTRY_FAILPOINT("container.create.before_commit");
    GANTRY_CHECK(with_.store.transact([&]() -> Result<void> {
        GANTRY_CHECK(save(*entry));
        return with_.store.end_intent(intent);
    }));
    GANTRY_FAILPOINT_VOID("container.create.after_commit");
    {
        std::lock_guard lock(index_mutex_);
        entries_[entry->record.id] = entry;
        index_links(record);
    }
    free_name.dismiss();
    end_intent.dismiss();
    drop_layer.dismiss();
    drop_views.dismiss();
    drop_volumes.dismiss();
    drop_directory.dismiss();
    mark_images_used(entry->record);
    publish(*entry, "create");
    return Json{{"Id", entry->record.id}, {"Warnings", warnings}};
}

}  // namespace gantry::container
