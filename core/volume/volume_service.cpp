#include "core/volume/volume_service.hpp"

#include <gantry/driver.hpp>

#include "core/base/clock.hpp"
#include "core/base/failpoint.hpp"
#include "core/base/ids.hpp"
#include "core/base/log.hpp"
#include "core/base/text.hpp"
#include "core/store/members.hpp"
#include "core/volume/object_gate.hpp"
#include "core/volume/volume_record.hpp"

namespace gantry::volume {
namespace {

constexpr std::string_view table = "volume/1";

Error no_such_volume(std::string_view name) {
    return fail(Code::not_found, "get " + std::string(name) + ": no such volume");
}

Result<void> after_made() {
    GANTRY_FAILPOINT("volume.create.made");
    return {};
}

bool is_uncertain(const Error& error) { return error.code == Code::deadline || error.code == Code::cancelled; }

// A driver that refuses has made nothing; one that fails in the middle, or whose answer is lost, may have.
bool may_have_made(const Error& error) {
    return is_uncertain(error) || error.code == Code::internal || error.code == Code::exhausted;
}

}  // namespace

struct VolumeService::Impl {
    store::Store& store;
    driver::Registry& drivers;
    std::string default_driver;
    ObjectGate gate;
    std::mutex mutex;  // volumes
    std::map<std::string, Volume, std::less<>> volumes;
    std::vector<store::Intent> unfinished;  // of the engine before this one; reconcile ends them

    Impl(store::Store& store_, driver::Registry& drivers_, std::string default_driver_)
        : store(store_), drivers(drivers_), default_driver(std::move(default_driver_)) {}

    std::optional<Volume> find(std::string_view name) {
        std::lock_guard lock(mutex);
        auto found = volumes.find(name);
        return found == volumes.end() ? std::nullopt : std::optional(found->second);
    }

    // The store first, so that what a client is told survives.
    Result<void> keep(const Volume& volume) {
        GANTRY_CHECK(store.put(store_kind, to_object(volume)));
        remember(volume);
        return {};
    }

    void remember(const Volume& volume) {
        std::lock_guard lock(mutex);
        volumes[volume.name] = volume;
    }

    // With the end of what was intended, in one step.
    Result<void> keep(const Volume& volume, std::int64_t intent) {
        GANTRY_CHECK(store.transact([&]() -> Result<void> {
            GANTRY_CHECK(store.put(store_kind, to_object(volume)));
            GANTRY_CHECK(store.end_intent(intent));
            // Nor does an earlier try that could not be taken back concern this one.
            return store.end_intents(store_kind, volume.name, "create");
        }));
        remember(volume);
        return {};
    }

    // Data of a volume whose record is lost: the driver has it, and nobody here knows.
    Result<bool> has_data(const Volume& volume) {
        GANTRY_TRY(auto seen, call(volume, "inspect"));
        return member<std::string>(seen.result, "state", "ready") != "absent";
    }

    // A creation that failed; where that fails, too, recovery tries again. `kept`: data that were there before stay.
    void take_back(const Volume& volume, std::int64_t intent, bool kept) {
        if (kept || call(volume, "remove")) (void)store.end_intent(intent);
    }

    // Whoever used it is gone, too. The caller holds the volume's gate and has recorded the intent.
    Result<void> take_down(const Volume& volume, std::int64_t intent) {
        for (const std::string& consumer : volume.consumers)
            GANTRY_CHECK(call(volume, "unpublish", Json{{"consumer", consumer}}));
        GANTRY_CHECK(call(volume, "remove"));
        return forget(volume.name, intent);
    }

    Result<driver::Reply> make(const Volume& volume) {
        GANTRY_FAILPOINT("volume.create.intent");
        return call(volume, "ensure");
    }

    Result<void> forget(const std::string& name, std::int64_t intent) {
        GANTRY_CHECK(store.transact([&]() -> Result<void> {
            GANTRY_CHECK(store.erase(store_kind, name));
            return store.end_intent(intent);
        }));
        std::lock_guard lock(mutex);
        volumes.erase(name);
        return {};
    }

    Result<driver::Reply> call(const Volume& volume, std::string_view operation, Json more = Json::object()) {
        GANTRY_TRY(auto driver, drivers.get(driver::Kind::volume, volume.driver));
        more["volume"] = to_spec(volume);
        return driver->call(table, operation, std::move(more), {}, driver::Deadline::longer);
    }

    Result<void> check_options(Volume& volume) {
        GANTRY_TRY(auto driver, drivers.get(driver::Kind::volume, volume.driver));
        const Json& description = driver->description();
        auto schema = description.find("object_options");
        Json given = volume.options;
        GANTRY_TRY(Json valid, driver::validate_options(schema == description.end() ? Json::object() : *schema, given,
                                                        "driver \"" + volume.driver + "\""));
        (void)valid;
        return {};
    }

    // What the engine before this one had begun is taken back (create) or ended (remove).
    void finish_intents() {
        for (const store::Intent& intent : std::exchange(unfinished, {})) {
            auto pass = gate.enter(intent.id);
            auto volume = find(intent.id);
            if (intent.operation == "create" && !volume) {
                Volume half;
                half.name = intent.id;
                half.driver = default_driver;
                bool kept = false;
                if (auto read =
                        store::Members(intent.detail).required("driver", half.driver).optional("kept", kept).result();
                    !read)
                    log::error("the intent of a volume's creation is damaged; the default driver removes it",
                               {{"volume", intent.id}, {"reason", read.error().text}});
                if (auto removed = kept ? Result<driver::Reply>(driver::Reply()) : call(half, "remove"); !removed) {
                    log::warn("a half-made volume could not be removed; the next start tries again",
                              {{"volume", intent.id}, {"reason", removed.error().text}});
                    continue;
                }
            } else if (intent.operation == "remove" && volume) {
                if (auto removed = take_down(*volume, intent.seq); !removed)
                    log::warn("a volume could not be removed",
                              {{"volume", intent.id}, {"reason", removed.error().text}});
            }
            (void)store.end_intent(intent.seq);
        }
    }
};

VolumeService::VolumeService(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
VolumeService::~VolumeService() = default;

Result<std::unique_ptr<VolumeService>> VolumeService::open(store::Store& store, driver::Registry& drivers,
                                                           std::string default_driver) {
    auto impl = std::make_unique<Impl>(store, drivers, std::move(default_driver));
    std::vector<store::Damage> damage;
    GANTRY_TRY(auto objects, store.list(store_kind, &damage));
    for (const store::Object& object : objects) {
        if (auto volume = from_object(object))
            impl->volumes[volume->name] = *volume;
        else
            damage.push_back({std::string(store_kind), object.id, volume.error().text});
    }
    for (const store::Damage& item : damage) {
        log::error("a volume's record is damaged; it is set aside", {{"volume", item.id}, {"reason", item.reason}});
        GANTRY_CHECK(store.quarantine(store_kind, item.id));
    }
    damage.clear();
    GANTRY_TRY(auto intents, store.intents(&damage));
    for (const store::Damage& item : damage)
        if (item.kind == store_kind)
            log::error("a volume's intent is damaged", {{"volume", item.id}, {"reason", item.reason}});
    for (store::Intent& intent : intents)
        if (intent.kind == store_kind) impl->unfinished.push_back(std::move(intent));
    return std::unique_ptr<VolumeService>(new VolumeService(std::move(impl)));
}

Result<Volume> VolumeService::create(std::string name, std::string_view driver,
                                     std::map<std::string, std::string> options,
                                     std::map<std::string, std::string> labels, std::string_view consumer) {
    Volume volume;
    volume.anonymous = name.empty();
    volume.name = name.empty() ? new_id() : std::move(name);
    if (!valid_name(volume.name))
        return fail(Code::invalid, "create " + volume.name + ": \"" + volume.name +
                                       "\" includes invalid characters for a local volume name, only "
                                       "\"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. "
                                       "If you intended to pass a host directory, use absolute path");
    volume.driver = driver.empty() ? impl_->default_driver : std::string(driver);
    volume.options = std::move(options);
    volume.labels = std::move(labels);
    volume.created_ns = wall_clock_ns();
    if (!consumer.empty()) volume.consumers.insert(std::string(consumer));

    GANTRY_TRY(auto pass, impl_->gate.enter(volume.name));
    if (auto there = impl_->find(volume.name)) {
        if (!driver.empty() && there->driver != driver)
            return fail(Code::conflict, "create " + volume.name + ": driver '" + there->driver +
                                            "' already has volume '" + volume.name + "': volume name must be unique");
        if (!volume.options.empty() && there->options != volume.options)
            return fail(Code::conflict,
                        "create " + volume.name + ": volume \"" + volume.name + "\" is there with other options");
        return *there;
    }
    GANTRY_CHECK(impl_->check_options(volume).context("create " + volume.name));
    auto found = impl_->has_data(volume);
    if (!found) return std::move(found).error().context("create " + volume.name);
    const bool there = *found;
    GANTRY_TRY(std::int64_t intent, impl_->store.begin_intent(store_kind, volume.name, "create",
                                                              Json{{"driver", volume.driver}, {"kept", there}}));
    auto made = impl_->make(volume);
    if (!made) {
        impl_->take_back(volume, intent, there || !may_have_made(made.error()));
        return std::move(made).error().context("create " + volume.name);
    }
    volume.path = member<std::string>(made->result, "path");
    if (auto hook = after_made(); !hook) {
        impl_->take_back(volume, intent, there);
        return std::move(hook).error().context("create " + volume.name);
    }
    if (auto kept = impl_->keep(volume, intent); !kept) {
        impl_->take_back(volume, intent, there);
        return std::move(kept).error().context("create " + volume.name);
    }
    GANTRY_FAILPOINT_VOID("volume.create.recorded");
    return volume;
}

Result<Volume> VolumeService::inspect(std::string_view name) {
    if (auto volume = impl_->find(name)) return *volume;
    return no_such_volume(name);
}

std::vector<Volume> VolumeService::list() {
    std::lock_guard lock(impl_->mutex);
    std::vector<Volume> all;
    for (const auto& [name, volume] : impl_->volumes) all.push_back(volume);
    return all;
}

Result<void> VolumeService::remove(std::string_view name, bool force) {
    const std::string key(name);
    GANTRY_TRY(auto pass, impl_->gate.enter(key));
    auto volume = impl_->find(name);
    if (!volume) return force ? Result<void>() : Result<void>(no_such_volume(name));
    if (!volume->consumers.empty()) {
        std::vector<std::string> ids(volume->consumers.begin(), volume->consumers.end());
        return fail(Code::conflict, "remove " + key + ": volume is in use - [" + join(ids, ", ") + "]");
    }
    GANTRY_TRY(std::int64_t intent, impl_->store.begin_intent(store_kind, key, "remove", Json::object()));
    auto removed = [&]() -> Result<driver::Reply> {
        GANTRY_FAILPOINT("volume.remove.intent");
        return impl_->call(*volume, "remove");
    }();
    if (!removed) {
        if (!is_uncertain(removed.error())) (void)impl_->store.end_intent(intent);
        return std::move(removed).error().context("remove " + key);
    }
    GANTRY_FAILPOINT("volume.remove.gone");
    return impl_->forget(key, intent);
}

Result<VolumeService::Published> VolumeService::publish(std::string_view name, std::string_view consumer,
                                                        bool read_only) {
    const std::string key(name);
    GANTRY_TRY(auto pass, impl_->gate.enter(key));
    auto volume = impl_->find(name);
    if (!volume) return no_such_volume(name);
    const bool fresh = volume->consumers.insert(std::string(consumer)).second;
    if (fresh) {
        // A removal that was left undecided is not finished any more: the volume is wanted again.
        GANTRY_CHECK(impl_->store.end_intents(store_kind, key, "remove"));
        GANTRY_CHECK(impl_->keep(*volume));
    }
    auto reply = [&]() -> Result<driver::Reply> {
        GANTRY_FAILPOINT("volume.publish.recorded");
        return impl_->call(*volume, "publish", Json{{"consumer", consumer}, {"read_only", read_only}});
    }();
    UniqueFd mount = reply ? reply->take_fd("mount") : UniqueFd();
    if (mount) return Published{std::move(mount), volume->path};
    Error error =
        reply ? fail(Code::internal, "driver \"" + volume->driver + "\" gave no descriptor") : std::move(reply).error();
    if (fresh) {
        if (reply || is_uncertain(error)) (void)impl_->call(*volume, "unpublish", Json{{"consumer", consumer}});
        volume->consumers.erase(std::string(consumer));
        if (!impl_->keep(*volume)) impl_->remember(*volume);
    }
    return std::move(error).context("mount volume " + key);
}

Result<void> VolumeService::unpublish(std::string_view name, std::string_view consumer) {
    const std::string key(name);
    GANTRY_TRY(auto pass, impl_->gate.enter(key));
    auto volume = impl_->find(name);
    if (!volume || !volume->consumers.contains(std::string(consumer))) return {};
    auto reply = impl_->call(*volume, "unpublish", Json{{"consumer", consumer}});
    if (!reply) return std::move(reply).error().context("unmount volume " + key);
    volume->consumers.erase(std::string(consumer));
    auto kept = impl_->keep(*volume);
    // What the store still says is put right at the next start; here the volume is free.
    if (!kept) impl_->remember(*volume);
    GANTRY_FAILPOINT("volume.unpublish.done");
    return kept;
}

void VolumeService::discard_anonymous(std::string_view consumer) {
    const std::set<std::string> alone{std::string(consumer)};
    for (const Volume& volume : list()) {
        if (!volume.anonymous || volume.consumers != alone) continue;
        // The intent comes before the consumer goes: an end in the middle does not leave a volume that nobody looks for.
        auto done = [&]() -> Result<void> {
            GANTRY_TRY(auto pass, impl_->gate.enter(volume.name));
            GANTRY_TRY(std::int64_t intent,
                       impl_->store.begin_intent(store_kind, volume.name, "remove", Json::object()));
            return impl_->take_down(volume, intent);
        }();
        if (!done)
            log::warn("an anonymous volume of an unfinished create could not be removed",
                      {{"volume", volume.name}, {"reason", done.error().text}});
    }
}

void VolumeService::reconcile(const std::set<std::string>& containers) {
    impl_->finish_intents();
    for (const Volume& volume : list())
        for (const std::string& consumer : volume.consumers)
            if (!containers.contains(consumer))
                if (auto done = unpublish(volume.name, consumer); !done)
                    log::warn("a volume's former user could not be dropped",
                              {{"volume", volume.name}, {"reason", done.error().text}});
}

}  // namespace gantry::volume
