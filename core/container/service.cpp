#include "core/container/service.hpp"

#include <unistd.h>

#include "core/base/clock.hpp"
#include "core/base/failpoint.hpp"
#include "core/base/files.hpp"
#include "core/base/ids.hpp"
#include "core/base/log.hpp"
#include "core/base/text.hpp"
#include "core/container/devices.hpp"
#include "core/container/executions.hpp"

namespace gantry::container {

ContainerService::Timers::Timers(std::function<void(std::function<void()>)> post)
    : post_(std::move(post)), thread_([this] { run(); }) {}

ContainerService::Timers::~Timers() {
    {
        std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
}

void ContainerService::Timers::after(int milliseconds, std::function<void()> work) {
    {
        std::lock_guard lock(mutex_);
        items_.push({monotonic_ns() + std::int64_t{milliseconds} * 1'000'000, std::move(work)});
    }
    changed_.notify_all();
}

void ContainerService::Timers::run() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
        if (items_.empty()) {
            changed_.wait(lock);
            continue;
        }
        std::int64_t left = items_.top().due_ns - monotonic_ns();
        if (left > 0) {
            changed_.wait_for(lock, std::chrono::nanoseconds(left));
            continue;
        }
        auto work = items_.top().work;
        items_.pop();
        lock.unlock();
        post_(std::move(work));
        lock.lock();
    }
}

ContainerService::ContainerService(ServiceSettings settings, Collaborators collaborators)
    : settings_(std::move(settings)),
      adjustable_(std::make_shared<const Adjustable>(settings_.adjustable)),
      with_(std::move(collaborators)),
      timers_(std::make_unique<Timers>(with_.post)),
      executions_(std::make_unique<Executions>()) {
    patience_ = std::chrono::steady_clock::now() + std::chrono::seconds(5);
}

ContainerService::~ContainerService() = default;

void ContainerService::adjust(Adjustable adjustable) {
    auto next = std::make_shared<const Adjustable>(std::move(adjustable));
    std::lock_guard lock(adjustable_mutex_);
    adjustable_ = std::move(next);
}

std::shared_ptr<const Adjustable> ContainerService::adjustable() const {
    std::lock_guard lock(adjustable_mutex_);
    return adjustable_;
}

Result<void> ContainerService::load() {
    GANTRY_CHECK(make_directories(settings_.root + "/containers"));
    GANTRY_CHECK(make_directories(graveyard()));
    GANTRY_CHECK(make_directories(settings_.run + "/containers", 0711));
    std::vector<store::Damage> damage;
    GANTRY_TRY(auto objects, with_.store.list("container", &damage));
    std::lock_guard lock(index_mutex_);
    for (auto& object : objects) {
        auto record = Container::from_body(object.id, object.name, object.body);
        if (!record) {
            damage.push_back({"container", object.id, record.error().text});
            continue;
        }
        auto entry = std::make_shared<Entry>();
        entry->record = std::move(*record);
        names_[entry->record.name] = entry->record.id;
        entries_[entry->record.id] = entry;
        index_links(entry->record);
    }
    for (const auto& item : damage) {
        log::error("a container's record is damaged; it is set aside", {{"id", item.id}, {"reason", item.reason}});
        GANTRY_CHECK(with_.store.quarantine("container", item.id));
    }
    return {};
}

Result<ContainerService::EntryPtr> ContainerService::find(const std::string& ref) {
    await_states();
    std::string name = ref.starts_with('/') ? ref.substr(1) : ref;
    std::lock_guard lock(index_mutex_);
    if (auto found = entries_.find(name); found != entries_.end()) return found->second;
    if (auto found = names_.find(name); found != names_.end())
        if (auto entry = entries_.find(found->second); entry != entries_.end()) return entry->second;
    if (is_id_prefix(name)) {
        auto first = entries_.lower_bound(name);
        if (first != entries_.end() && first->first.starts_with(name)) {
            if (auto second = std::next(first); second != entries_.end() && second->first.starts_with(name))
                return fail(Code::invalid, "multiple IDs found with provided prefix: " + name);
            return first->second;
        }
    }
    std::string text = "No such container: " + ref;
    std::vector<std::string> known;
    for (const auto& [other, id] : names_) known.push_back(other);
    if (std::string near = nearest(name, known); !near.empty()) text += ", did you mean \"" + near + "\"?";
    return fail(Code::not_found, text);
}

std::vector<ContainerService::EntryPtr> ContainerService::all() {
    std::lock_guard lock(index_mutex_);
    std::vector<EntryPtr> list;
    list.reserve(entries_.size());
    for (const auto& [id, entry] : entries_) list.push_back(entry);
    return list;
}

Result<std::string> ContainerService::id_of(const std::string& ref) {
    GANTRY_TRY(EntryPtr entry, find(ref));
    return entry->record.id;
}

Result<bool> ContainerService::has_terminal(const std::string& ref) {
    GANTRY_TRY(EntryPtr entry, find(ref));
    std::lock_guard lock(entry->mutex);
    return entry->record.terminal();
}

// The caller holds entry.mutex.
Result<void> ContainerService::save(Entry& entry) {
    return with_.store.put("container", {entry.record.id, entry.record.name, 0, entry.record.to_body()});
}

void ContainerService::publish(const Entry& entry, std::string_view action, Json more) {
    const Container& c = entry.record;
    Json attributes = c.config.value("Labels", Json::object());
    if (!attributes.is_object()) attributes = Json::object();
    attributes["image"] = c.image;
    attributes["name"] = c.name;
    attributes.update(more);
    with_.publish("container", action, c.id, attributes);
}

std::string ContainerService::user_of_image(const std::string& image_id) {
    std::string user;
    for (const auto& entry : all()) {
        const auto& mounts = entry->record.mounts;
        if (entry->record.image_id != image_id && std::none_of(mounts.begin(), mounts.end(), [&](const MountPoint& m) {
                return m.type == "image" && m.source == image_id;
            }))
            continue;
        const std::string shown = "container " + entry->id().substr(0, 12);
        std::lock_guard lock(entry->mutex);
        if (entry->record.active()) return "running " + shown;
        user = shown;
    }
    return user;
}

std::map<std::string, std::vector<std::string>> ContainerService::by_image() {
    std::map<std::string, std::vector<std::string>> containers;
    for (const auto& entry : all()) containers[entry->record.image_id].push_back(entry->id());
    return containers;
}

std::set<std::string> ContainerService::networks_wanted() {
    std::set<std::string> wanted;
    for (const auto& entry : all()) {
        const Container c = entry->snapshot();
        wanted.insert(c.network_mode());
        if (!c.endpoints.is_object()) continue;
        for (const auto& [name, endpoint] : c.endpoints.items()) {
            wanted.insert(name);
            if (endpoint.is_object() && endpoint.contains("NetworkID") && endpoint["NetworkID"].is_string())
                wanted.insert(endpoint["NetworkID"].get<std::string>());
        }
    }
    return wanted;
}

std::vector<std::string> ContainerService::layers_in_use() {
    std::vector<std::string> keys;
    for (const auto& entry : all()) {
        keys.push_back(entry->record.layer);
        for (std::string& view : image_views(entry->record)) keys.push_back(std::move(view));
    }
    return keys;
}

void ContainerService::mark_images_used(const Container& c) {
    with_.images.mark_used(c.image_id);
    for (const MountPoint& point : c.mounts)
        if (point.type == "image") with_.images.mark_used(point.source);
}

ContainerService::Counts ContainerService::counts() {
    await_states();
    Counts counts;
    for (const auto& entry : all()) {
        std::lock_guard lock(entry->mutex);
        ++counts.total;
        if (entry->record.state.status == Status::running)
            ++counts.running;
        else if (entry->record.state.status == Status::paused)
            ++counts.paused;
        else
            ++counts.stopped;
    }
    return counts;
}

Result<ContainerService::LogSource> ContainerService::log_source(const std::string& ref) {
    GANTRY_TRY(EntryPtr entry, find(ref));
    Container c = entry->snapshot();
    std::string driver = c.host_config["LogConfig"].value("Type", "");
    if (driver == "none") return fail(Code::unsupported, "configured logging driver does not support reading");
    return LogSource{c.id, directory(c.id) + "/log", driver, c.terminal(), c.active()};
}

Result<void> ContainerService::rename(const std::string& ref, const std::string& given) {
    GANTRY_TRY(EntryPtr entry, find(ref));
    std::string name = given.starts_with('/') ? given.substr(1) : given;
    if (name.empty()) return fail(Code::invalid, "Neither old nor new names may be empty");
    if (!valid_name(name))
        return fail(Code::invalid, "Invalid container name (" + name + "), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed");
    std::string old;
    {
        std::lock_guard index(index_mutex_);
        if (auto taken = names_.find(name); taken != names_.end())
            return fail(Code::conflict,
                        taken->second == entry->record.id
                            ? "Renaming a container with the same name as its current name"
                            : "Conflict. The container name \"/" + name + "\" is already in use by container \"" +
                                  taken->second +
                                  "\". You have to remove (or rename) that container to be able to reuse that name.");
        names_[name] = entry->record.id;
    }
    Result<void> saved;
    {
        std::lock_guard lock(entry->mutex);
        old = std::exchange(entry->record.name, name);
        saved = save(*entry);
        if (!saved) entry->record.name = old;
    }
    {
        std::lock_guard index(index_mutex_);
        names_.erase(saved ? old : name);
    }
    if (!saved) return saved;
    with_.networks.rename(entry->record.id, name);
    publish(*entry, "rename", {{"oldName", "/" + old}});
    return {};
}

}  // namespace gantry::container
