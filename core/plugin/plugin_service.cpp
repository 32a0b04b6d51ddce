#include "core/plugin/plugin_service.hpp"

#include <sys/stat.h>

#include "core/base/clock.hpp"
#include "core/base/failpoint.hpp"
#include "core/base/files.hpp"
#include "core/base/ids.hpp"
#include "core/base/log.hpp"
#include "core/base/text.hpp"
#include "core/plugin/plugin_files.hpp"
#include "core/plugin/plugin_settings.hpp"
#include "core/plugin/service_impl.hpp"

namespace gantry::plugin {
namespace {

Error no_such_plugin(std::string_view ref) {
    return fail(Code::not_found, "plugin " + quote_json(ref.substr(0, 300)) + " not found");
}

// The files of a plugin whose record cannot be read stay, under a name that nothing sweeps.
void set_aside(const std::string& directory) {
    if (::rename(directory.c_str(), (directory + ".damaged").c_str()) != 0 && errno != ENOENT)
        log::warn("the files of a damaged plugin could not be set aside",
                  {{"directory", directory}, {"reason", std::strerror(errno)}});
}

}  // namespace

Result<std::string> full_name(const std::string& reference) {
    GANTRY_TRY(image::Reference parsed, image::parse_reference(reference));
    if (!parsed.digest.empty())
        return fail(Code::invalid, "a plugin cannot be named by a digest: " + quote_json(reference.substr(0, 300)));
    return parsed.name + ":" + parsed.tag;
}

PluginService::PluginService(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
PluginService::~PluginService() {
    if (impl_) close();
}

Result<std::unique_ptr<PluginService>> PluginService::open(ServiceSettings settings, Collaborators collaborators) {
    auto impl = std::make_unique<Impl>(std::move(settings), std::move(collaborators));
    GANTRY_CHECK(make_directories(impl->root(), 0700));
    GANTRY_CHECK(make_directories(impl->run(), 0700));
    std::vector<store::Damage> damage;
    GANTRY_TRY(auto objects, impl->with.store.list(store_kind, &damage));
    for (const store::Object& object : objects) {
        auto plugin = from_object(object);
        if (!plugin) {
            damage.push_back({std::string(store_kind), object.id, plugin.error().text});
            continue;
        }
        auto entry = std::make_shared<Entry>();
        entry->record = std::move(*plugin);
        impl->names.insert(entry->record.name);
        impl->entries[entry->record.id] = std::move(entry);
    }
    for (const store::Damage& item : damage) {
        log::error("a plugin's record is damaged; it is set aside", {{"plugin", item.id}, {"reason", item.reason}});
        GANTRY_CHECK(impl->with.store.quarantine(store_kind, item.id));
        if (valid_name(item.id)) set_aside(impl->directory(item.id));
    }
    return std::unique_ptr<PluginService>(new PluginService(std::move(impl)));
}

Result<EntryPtr> PluginService::Impl::find(std::string_view ref) {
    std::lock_guard lock(mutex);
    if (auto found = entries.find(std::string(ref)); found != entries.end()) return found->second;
    if (auto name = full_name(std::string(ref)))
        for (const auto& [id, entry] : entries)
            if (entry->copy().name == *name) return entry;
    EntryPtr found;
    if (is_id_prefix(ref))
        for (auto at = entries.lower_bound(std::string(ref)); at != entries.end() && at->first.starts_with(ref); ++at) {
            if (found) return fail(Code::invalid, "multiple plugins found for " + quote_json(ref));
            found = at->second;
        }
    if (found) return found;
    return no_such_plugin(ref);
}

std::vector<EntryPtr> PluginService::Impl::all() {
    std::lock_guard lock(mutex);
    std::vector<EntryPtr> list;
    for (const auto& [id, entry] : entries) list.push_back(entry);
    return list;
}

void PluginService::Impl::publish(std::string_view action, const Plugin& plugin) {
    with.publish(action, plugin.id, {{"name", plugin.name}});
}

Result<void> PluginService::Impl::keep(Entry& entry, const Plugin& plugin) {
    GANTRY_FAILPOINT("plugin.before_record");
    GANTRY_CHECK(with.store.put(store_kind, to_object(plugin)));
    GANTRY_FAILPOINT_VOID("plugin.recorded");
    std::lock_guard lock(entry.mutex);
    entry.record = plugin;
    return {};
}

PluginService::Impl::Making::~Making() {
    if (!impl_) return;
    std::lock_guard lock(impl_->mutex);
    impl_->making.erase(id_);
    if (!impl_->entries.contains(id_)) impl_->names.erase(name_);
}

Result<PluginService::Impl::Making> PluginService::Impl::make(const std::string& reference) {
    GANTRY_TRY(std::string name, full_name(reference));
    std::lock_guard lock(mutex);
    if (!names.insert(name).second) return fail(Code::conflict, "plugin " + quote_json(name) + " already exists");
    std::string id = new_id();
    making.insert(id);
    return Making(this, std::move(name), std::move(id));
}

Result<Plugin> PluginService::Impl::add(const Making& made, std::string reference, Content content) {
    Plugin plugin;
    plugin.id = made.id();
    plugin.name = made.name();
    plugin.reference = std::move(reference);
    plugin.content = std::move(content);
    plugin.settings = default_settings(plugin.content.config);
    plugin.created_ns = wall_clock_ns();
    auto entry = std::make_shared<Entry>();
    GANTRY_CHECK(keep(*entry, plugin));
    std::lock_guard lock(mutex);
    entries[plugin.id] = std::move(entry);
    return plugin;
}

std::vector<Plugin> PluginService::list() {
    std::vector<Plugin> list;
    for (const EntryPtr& entry : impl_->all()) list.push_back(entry->copy());
    std::sort(list.begin(), list.end(), [](const Plugin& a, const Plugin& b) { return a.name < b.name; });
    return list;
}

Result<Plugin> PluginService::inspect(std::string_view ref) {
    GANTRY_TRY(EntryPtr entry, impl_->find(ref));
    return entry->copy();
}

Result<Plugin> PluginService::create(const std::string& name, int body) {
    if (name.empty()) return fail(Code::invalid, "\"name\" is not given");
    GANTRY_TRY(auto making, impl_->make(name));
    const std::string directory = impl_->directory(making.id());
    ScopeGuard undo([&] { (void)remove_directory(directory); });
    GANTRY_TRY(Content content, unpack_context(body, directory));
    GANTRY_TRY(Plugin plugin, impl_->add(making, making.name(), std::move(content)));
    undo.dismiss();
    impl_->publish("create", plugin);
    return plugin;
}

Result<Plugin> PluginService::remove(std::string_view ref, bool force) {
    GANTRY_TRY(EntryPtr entry, impl_->find(ref));
    if (entry->copy().enabled) GANTRY_CHECK(impl_->launcher());
    std::lock_guard operation(entry->operation);
    if (entry->removed) return no_such_plugin(ref);
    const Plugin plugin = entry->copy();
    if (plugin.enabled && !force)
        return fail(Code::conflict, "plugin " + quote_json(plugin.name) + " is enabled: it has to be disabled first");
    if (plugin.enabled) GANTRY_CHECK(impl_->stop(entry, force));
    auto erased = [&]() -> Result<void> {
        GANTRY_FAILPOINT("plugin.remove.stopped");
        return impl_->with.store.erase(store_kind, plugin.id);
    }();
    if (!erased) {
        // It is there as it was before.
        if (plugin.enabled) impl_->schedule(plugin.id, 0);
        return std::move(erased).error();
    }
    GANTRY_FAILPOINT_VOID("plugin.remove.erased");
    {
        std::lock_guard lock(impl_->mutex);
        entry->removed = true;
        impl_->entries.erase(plugin.id);
        impl_->due.erase(plugin.id);
        impl_->names.erase(plugin.name);
    }
    if (auto gone = remove_directory(impl_->directory(plugin.id)); !gone)
        log::warn("the files of a removed plugin could not be deleted; the next start tries again",
                  {{"plugin", plugin.name}, {"reason", gone.error().text}});
    if (plugin.enabled) impl_->publish("disable", plugin);
    impl_->publish("remove", plugin);
    return plugin;
}

Result<void> PluginService::set(std::string_view ref, const std::vector<std::string>& arguments) {
    GANTRY_TRY(EntryPtr entry, impl_->find(ref));
    std::lock_guard operation(entry->operation);
    if (entry->removed) return no_such_plugin(ref);
    Plugin plugin = entry->copy();
    if (plugin.enabled)
        return fail(Code::conflict,
                    "cannot set on an active plugin, disable plugin " + quote_json(plugin.name) + " before setting");
    GANTRY_TRY(plugin.settings, apply_settings(plugin.content.config, plugin.settings, arguments));
    return impl_->keep(*entry, plugin);
}

}  // namespace gantry::plugin
