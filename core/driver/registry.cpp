#include "core/driver/registry.hpp"

#include <sys/stat.h>

#include <array>
#include <condition_variable>
#include <mutex>
#include <set>

#include <gantry/driver.hpp>

#include "core/base/failpoint.hpp"
#include "core/base/files.hpp"
#include "core/base/log.hpp"
#include "core/driver/finder.hpp"
#include "core/driver/hosted.hpp"
#include "core/driver/kinds.hpp"
#include "core/driver/loaded.hpp"
#include "core/driver/services.hpp"

namespace gantry::driver {

struct Registry::Impl {
    struct Entry {
        enum class State { closed = 1, opening, open } state = State::closed;
        std::shared_ptr<Driver> driver;
        std::string problem;
    };
    using Key = std::pair<Kind, std::string>;

    explicit Impl(Settings given)
        : shared_settings(std::make_shared<const Settings>(std::move(given))),
          settings(*shared_settings),
          services(!settings.inline_calls) {}
    Result<std::shared_ptr<Driver>> open(const Located& located);
    Found describe(const Wanted& wanted, Kind kind, const std::string& file);
    Result<DescribedFile> describe_stranger(const std::string& file);

    const std::shared_ptr<const Settings> shared_settings;
    const Settings& settings;
    Services services;
    std::mutex mutex;
    std::condition_variable changed;
    std::map<Key, Entry> entries;
    // What files of strangers said of themselves, until they change: each costs a process to ask.
    struct Described {
        std::array<std::int64_t, 4> file_state;
        Result<DescribedFile> result;
    };
    std::map<std::string, Described> described;
};

namespace {

// What the driver's open gets.
Result<Json> configure(const Settings& settings, const Located& located, const Json& description) {
    const std::string& name = located.wanted.name;
    GANTRY_TRY(Json options, validate_options(description.value("options", Json::object()), located.wanted.options,
                                              "driver \"" + name + "\""));
    Json config{{"engine", settings.engine}, {"options", std::move(options)}};
    for (const auto& [key, base] :
         {std::pair<const char*, const std::string&>{"root", settings.root}, {"run", settings.run}}) {
        config[key] = "";
        if (base.empty()) continue;
        std::string directory = base + "/drivers/" + name;
        GANTRY_CHECK(make_directories(directory, 0700));
        config[key] = directory;
    }
    return config;
}

}  // namespace

Result<std::shared_ptr<Driver>> Registry::Impl::open(const Located& located) {
    if (located.isolation == Isolation::process) {
        if (located.kind == Kind::runtime)
            return fail(Code::unsupported,
                        "runtime driver \"" + located.wanted.name + "\" runs in gantry-launcher and its monitors only");
        return HostedDriver::start(located, settings, services.table(),
                                   [settings_copy = shared_settings, located](const Json& description) {
                                       return configure(*settings_copy, located, description);
                                   });
    }
    GANTRY_TRY(auto library, load_library(located.file));
    GANTRY_TRY(Json config, configure(settings, located, library->description));
    GANTRY_TRY(auto instance, Instance::open(library, located.wanted.name, config, services.table()));
    Wanted nothing;
    Threads threads = settings.inline_calls                                                    ? Threads::caller_only
                      : isolation_of(settings, nothing, located.file) == Isolation::in_process ? Threads::caller
                                                                                               : Threads::workers;
    return std::shared_ptr<Driver>(std::make_shared<LoadedDriver>(std::move(instance), threads));
}

Registry::Registry(Settings settings) : impl_(std::make_unique<Impl>(std::move(settings))) {}
Registry::~Registry() = default;

Result<std::shared_ptr<Driver>> Registry::get(Kind kind, std::string_view name) {
    GANTRY_FAILPOINT("driver.get");
    const Impl::Key key{kind, std::string(name)};
    {
        std::unique_lock lock(impl_->mutex);
        auto found = impl_->entries.find(key);
        if (found != impl_->entries.end()) {
            // std::map keeps the entry in place while others come.
            Impl::Entry& entry = found->second;
            impl_->changed.wait(lock, [&] { return entry.state != Impl::Entry::State::opening; });
            if (entry.state == Impl::Entry::State::open) return entry.driver;
        }
    }
    GANTRY_TRY(Located located, locate(impl_->settings, kind, name));
    {
        std::unique_lock lock(impl_->mutex);
        Impl::Entry& entry = impl_->entries[key];
        impl_->changed.wait(lock, [&] { return entry.state != Impl::Entry::State::opening; });
        if (entry.state == Impl::Entry::State::open) return entry.driver;
        entry.state = Impl::Entry::State::opening;
    }
    Result<std::shared_ptr<Driver>> driver = impl_->open(located);
    std::lock_guard lock(impl_->mutex);
    Impl::Entry& entry = impl_->entries[key];
    if (driver) {
        entry = {Impl::Entry::State::open, *driver, ""};
        log::info("driver opened",
                  {{"driver", key.second}, {"kind", std::string(name_of(kind))}, {"file", located.file}});
    } else {
        entry = {Impl::Entry::State::closed, nullptr, driver.error().text};
        log::warn("driver refused", {{"driver", key.second}, {"reason", driver.error().text}});
    }
    impl_->changed.notify_all();
    return driver;
}

Result<DescribedFile> Registry::Impl::describe_stranger(const std::string& file) {
    struct stat info {};
    if (::lstat(file.c_str(), &info) != 0) return fail_errno("examine driver file \"" + file + "\"");
    // The change time moves with mode and owner too, which verification looks at.
    const std::array<std::int64_t, 4> state{static_cast<std::int64_t>(info.st_ino), info.st_size, info.st_ctim.tv_sec,
                                            info.st_ctim.tv_nsec};
    {
        std::lock_guard lock(mutex);
        if (auto known = described.find(file); known != described.end() && known->second.file_state == state)
            return known->second.result;
    }
    Result<DescribedFile> result = describe_in_host(settings, file);
    if (!result) return result;  // perhaps no process could be had; asked again next time
    std::lock_guard lock(mutex);
    described.insert_or_assign(file, Described{state, result});
    return result;
}

Found Registry::Impl::describe(const Wanted& wanted, Kind kind, const std::string& file) {
    Found found;
    found.name = wanted.name;
    found.file = file;
    found.kind = name_of(kind);
    const Isolation isolation = isolation_of(settings, wanted, file);
    found.isolation = isolation == Isolation::process ? "process" : "in_process";
    {
        std::lock_guard lock(mutex);
        if (auto entry = entries.find({kind, wanted.name}); entry != entries.end()) {
            found.loaded = entry->second.state == Entry::State::open;
            found.problem = entry->second.problem;
            if (found.loaded) found.description = entry->second.driver->description();
        }
    }
    Result<DescribedFile> said = isolation == Isolation::process ? describe_stranger(file) : describe_here(file);
    if (said) {
        found.version = said->version;
        if (!found.loaded) found.description = said->description;
    } else if (!found.loaded) {
        found.problem = said.error().text;
    }
    found.summary = member<std::string>(found.description.is_object() ? found.description : Json::object(), "summary");
    return found;
}

std::vector<Found> Registry::list(std::optional<Kind> only) {
    std::vector<Found> all;
    std::set<std::pair<Kind, std::string>> seen;
    for (const Wanted& wanted : impl_->settings.drivers) {
        bool any = false;
        for (Kind kind : {Kind::network, Kind::volume, Kind::layer, Kind::runtime}) {
            auto located = locate(impl_->settings, kind, wanted.name);
            if (!located) continue;
            any = true;
            if (only && kind != *only) continue;
            seen.insert({kind, wanted.name});
            all.push_back(impl_->describe(wanted, kind, located->file));
        }
        if (any) continue;
        Found missing;
        missing.name = wanted.name;
        if (only) missing.kind = name_of(*only);
        missing.problem = "no file KIND-" + (wanted.use.empty() ? wanted.name : wanted.use) + ".so is in the path";
        all.push_back(std::move(missing));
    }
    for (const Candidate& one : candidates(impl_->settings)) {
        if ((only && one.kind != *only) || !seen.insert({one.kind, one.name}).second) continue;
        Wanted plain;
        plain.name = one.name;
        all.push_back(impl_->describe(plain, one.kind, one.file));
    }
    return all;
}

std::vector<Wanted> Registry::configured(Kind kind) const {
    std::vector<Wanted> all;
    for (const Wanted& wanted : impl_->settings.drivers)
        if (locate(impl_->settings, kind, wanted.name)) all.push_back(wanted);
    return all;
}

void Registry::set_spawner(Spawner spawner) { impl_->services.set_spawner(std::move(spawner)); }
void Registry::set_event_handler(EventHandler handler) { impl_->services.set_event_handler(std::move(handler)); }

}  // namespace gantry::driver
