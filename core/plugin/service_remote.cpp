// Plugins of registries: what they would need, and pull, upgrade and push.
#include <fcntl.h>

#include "core/base/failpoint.hpp"
#include "core/base/files.hpp"
#include "core/base/ids.hpp"
#include "core/base/log.hpp"
#include "core/base/text.hpp"
#include "core/image/media_types.hpp"
#include "core/image/references.hpp"
#include "core/image/registry/artifact.hpp"
#include "core/plugin/plugin_config.hpp"
#include "core/plugin/plugin_files.hpp"
#include "core/plugin/plugin_manifest.hpp"
#include "core/plugin/plugin_settings.hpp"
#include "core/plugin/service_impl.hpp"

namespace gantry::plugin {
namespace {

using image::registry::Artifact;

std::string short_digest(const std::string& digest) { return std::string(short_id(image::hex_of(digest))); }

image::registry::Descriptor descriptor_of(const Blob& blob) {
    return {blob.media_type, blob.digest, blob.size, {}, false};
}

// What a reference names, as far as one must know it to ask whether it is wanted.
struct Found {
    std::unique_ptr<Artifact> artifact;
    PluginManifest manifest;
    std::string digest, document;
    Json config;
};

Result<Found> look_up(image::registry::Service& registries, const RemoteWish& wish,
                      const PluginService::Cancelled& cancelled) {
    if (wish.remote.empty()) return fail(Code::invalid, "\"remote\" is not given");
    Found found;
    GANTRY_TRY(found.artifact, registries.artifact(wish.remote, wish.credentials, cancelled));
    GANTRY_TRY(found.manifest, parse_plugin_manifest(found.artifact->manifest(), wish.remote));
    found.digest = image::digest_of(found.artifact->manifest());
    GANTRY_TRY(found.document, found.artifact->document(descriptor_of(found.manifest.config)));
    auto config = read_config(found.document);
    if (!config) return std::move(config).error().context("plugin " + quote_json(wish.remote));
    found.config = std::move(*config);
    const std::size_t ids = found.config.contains("rootfs") ? found.config["rootfs"]["diff_ids"].size() : 0;
    if (ids != found.manifest.layers.size())
        return fail(Code::invalid, "plugin " + quote_json(wish.remote) + ": its manifest has " +
                                       std::to_string(found.manifest.layers.size()) + " layers and its configuration " +
                                       std::to_string(ids));
    return found;
}

Result<Content> download(Found& found, const std::string& remote, const std::string& directory,
                         const PluginService::Progress& progress, const PluginService::Cancelled& cancelled) {
    progress({{"status", "Pulling plugin " + remote}});
    std::vector<LayerFile> layers;
    for (const Blob& blob : found.manifest.layers) {
        const std::string id = short_digest(blob.digest);
        auto file = found.artifact->blob(
            descriptor_of(blob),
            [&](std::int64_t bytes) {
                progress({{"status", "Downloading"},
                          {"progressDetail", {{"current", bytes}, {"total", blob.size}}},
                          {"id", id}});
            },
            cancelled);
        if (!file) return std::move(file).error().context("layer " + blob.digest);
        progress({{"status", "Download complete"}, {"progressDetail", Json::object()}, {"id", id}});
        layers.push_back({blob, found.config["rootfs"]["diff_ids"][layers.size()], std::move(*file)});
    }
    GANTRY_CHECK(make_directories(directory, 0700));
    GANTRY_TRY(Content content, unpack_layers(found.document, std::move(layers), directory));
    for (const Blob& blob : found.manifest.layers)
        progress({{"status", "Pull complete"}, {"progressDetail", Json::object()}, {"id", short_digest(blob.digest)}});
    progress({{"status", "Digest: " + found.digest}});
    return content;
}

// As other engines write it: with its registry and its tag or digest.
Result<std::string> whole_reference(const std::string& remote) {
    GANTRY_TRY(image::Reference parsed, image::parse_reference(remote));
    return image::qualified_name(parsed.name) + (parsed.digest.empty() ? ":" + parsed.tag : "@" + parsed.digest);
}

}  // namespace

Result<Json> PluginService::privileges(const RemoteWish& wish, const Cancelled& cancelled) {
    GANTRY_TRY(Found found, look_up(impl_->with.registries, wish, cancelled));
    return privileges_of(found.config);
}

Result<Plugin> PluginService::pull(const std::string& name, const RemoteWish& wish, const Progress& progress,
                                   const Cancelled& cancelled) {
    if (wish.remote.empty()) return fail(Code::invalid, "\"remote\" is not given");
    GANTRY_TRY(std::string reference, whole_reference(wish.remote));
    GANTRY_TRY(auto making, impl_->make(name.empty() ? wish.remote : name));
    GANTRY_TRY(Found found, look_up(impl_->with.registries, wish, cancelled));
    GANTRY_CHECK(check_granted(found.config, wish.granted));
    const std::string directory = impl_->directory(making.id());
    ScopeGuard undo([&] { (void)remove_directory(directory); });
    GANTRY_TRY(Content content, download(found, wish.remote, directory, progress, cancelled));
    GANTRY_TRY(Plugin plugin, impl_->add(making, std::move(reference), std::move(content)));
    undo.dismiss();
    progress({{"status", "Status: Downloaded plugin " + plugin.name}});
    impl_->publish("pull", plugin);
    return plugin;
}

Result<void> PluginService::upgrade(std::string_view ref, const RemoteWish& wish, const Progress& progress,
                                    const Cancelled& cancelled) {
    GANTRY_TRY(EntryPtr entry, impl_->find(ref));
    // A download may take long, and a recovery that is under way needs what is held meanwhile.
    if (!impl_->wait_recovered()) return fail(Code::retry_later, "the engine is still recovering");
    std::lock_guard operation(entry->operation);
    Plugin plugin = entry->copy();
    if (entry->removed) return fail(Code::not_found, "plugin " + quote_json(plugin.name) + " not found");
    if (plugin.enabled)
        return fail(Code::conflict, "plugin " + quote_json(plugin.name) + " must be disabled before upgrading");
    if (wish.remote.empty()) return fail(Code::invalid, "\"remote\" is not given");
    GANTRY_TRY(std::string reference, whole_reference(wish.remote));
    GANTRY_TRY(Found found, look_up(impl_->with.registries, wish, cancelled));
    GANTRY_CHECK(check_granted(found.config, wish.granted));
    const std::string directory = impl_->directory(plugin.id);
    const Content old = plugin.content;
    auto changed = [&]() -> Result<void> {
        GANTRY_TRY(plugin.content, download(found, wish.remote, directory, progress, cancelled));
        plugin.settings = carried_settings(plugin.content.config, old.config, plugin.settings);
        plugin.reference = std::move(reference);
        GANTRY_FAILPOINT("plugin.upgrade.unpacked");
        return impl_->keep(*entry, plugin);
    }();
    // What is recorded now is what stays.
    if (auto swept = sweep_directory(directory, changed ? plugin.content : old); !swept)
        log::warn("what an upgrade left could not be deleted; the next start tries again",
                  {{"plugin", plugin.name}, {"reason", swept.error().text}});
    GANTRY_CHECK(std::move(changed));
    progress({{"status", "Status: Upgraded plugin " + plugin.name + " to " + wish.remote}});
    impl_->publish("upgrade", plugin);
    return {};
}

Result<void> PluginService::push(std::string_view ref, const image::registry::Credentials& credentials,
                                 const Progress& progress, const Cancelled& cancelled) {
    GANTRY_TRY(EntryPtr entry, impl_->find(ref));
    Plugin plugin;
    std::vector<std::pair<Blob, UniqueFd>> blobs;
    {
        // Open, they outlive an upgrade or a removal meanwhile.
        std::lock_guard operation(entry->operation);
        plugin = entry->copy();
        if (entry->removed) return fail(Code::not_found, "plugin " + quote_json(plugin.name) + " not found");
        std::vector<Blob> all = plugin.content.layers;
        all.push_back(plugin.content.document);
        for (const Blob& blob : all) {
            GANTRY_TRY(UniqueFd file, open_file(blob_path(impl_->directory(plugin.id), blob.digest), O_RDONLY));
            blobs.emplace_back(blob, std::move(file));
        }
    }
    GANTRY_TRY(auto upload, impl_->with.registries.upload(plugin.name, credentials, cancelled));
    GANTRY_TRY(image::Reference parsed, image::parse_reference(plugin.name));
    progress({{"status", "The push refers to repository [" + image::qualified_name(parsed.name) + "]"}});
    for (const auto& [blob, file] : blobs) {
        const std::string id = short_digest(blob.digest);
        GANTRY_TRY(bool there, upload->has(blob.digest));
        if (!there)
            GANTRY_CHECK(upload->blob(blob.digest, file.get(), blob.size, [&, size = blob.size](std::int64_t bytes) {
                progress(
                    {{"status", "Pushing"}, {"progressDetail", {{"current", bytes}, {"total", size}}}, {"id", id}});
            }));
        progress(
            {{"status", there ? "Layer already exists" : "Pushed"}, {"progressDetail", Json::object()}, {"id", id}});
    }
    const std::string manifest = plugin_manifest(plugin.content.document, plugin.content.layers);
    GANTRY_CHECK(upload->manifest(std::string(image::media::docker_manifest), manifest));
    const std::string digest = image::digest_of(manifest);
    progress({{"status", parsed.tag + ": digest: " + digest + " size: " + std::to_string(manifest.size())}});
    progress({{"progressDetail", Json::object()},
              {"aux", {{"Tag", parsed.tag}, {"Digest", digest}, {"Size", manifest.size()}}}});
    return {};
}

}  // namespace gantry::plugin
