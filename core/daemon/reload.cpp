#include "core/daemon/reload.hpp"

#include <unistd.h>

#include <algorithm>
#include <climits>

#include "core/base/log.hpp"
#include "core/base/text.hpp"
#include "core/daemon/tcp_gate.hpp"

namespace gantry::daemon {
namespace {

using config::Config;

class Comparison {
public:
    explicit Comparison(Reload& reload) : reload_(reload) {}
    // Holds at once.
    template <typename T>
    void apply(const char* key, T& running, const T& wanted) {
        if (running == wanted) return;
        running = wanted;
        reload_.applied.emplace_back(key);
    }
    // Holds from the next start on: something was made with it.
    template <typename T>
    void defer(const std::string& key, const T& running, const T& wanted) {
        if (running != wanted) reload_.deferred.push_back(key);
    }

private:
    Reload& reload_;
};

const driver::Wanted* find(const std::vector<driver::Wanted>& all, const std::string& name) {
    auto found = std::find_if(all.begin(), all.end(), [&](const driver::Wanted& one) { return one.name == name; });
    return found == all.end() ? nullptr : &*found;
}

// Open drivers keep the options they were opened with, and gantry-launcher the runtimes it has loaded.
void defer_drivers(Comparison& compare, const Config& running, const Config& wanted) {
    compare.defer("drivers.path", running.driver_path, wanted.driver_path);
    for (const driver::Wanted& one : wanted.drivers) {
        const driver::Wanted* now = find(running.drivers, one.name);
        compare.defer("drivers." + one.name, now ? *now : driver::Wanted{}, one);
    }
    for (const driver::Wanted& one : running.drivers)
        if (!find(wanted.drivers, one.name)) compare.defer("drivers." + one.name, one, driver::Wanted{});
}

}  // namespace

std::vector<std::string> read_config(const ConfigSource& source, driver::Ask ask, config::Config* config) {
    const config::Installed installed{source.drivers, ask};
    auto problems = config::load(source.file, source.missing, config, &installed);
    if (!source.log_level.empty()) config->log_level = source.log_level;
    config::Listen& listen = config->listen;
    listen.hosts.insert(listen.hosts.end(), source.listen.hosts.begin(), source.listen.hosts.end());
    for (auto [to, from] : {std::pair{&listen.ca, &source.listen.ca},
                            {&listen.certificate, &source.listen.certificate},
                            {&listen.key, &source.listen.key}})
        if (!from->empty()) *to = *from;
    // With the files themselves, so that a bad certificate is found out before an engine ends for it.
    if (problems.empty())
        if (auto context = gate_context(listen); !context)
            problems.push_back(source.file + ": " + context.error().text);
    return problems;
}

Reload plan_reload(const Config& running, const Config& wanted) {
    Reload reload;
    reload.config = running;
    Config& now = reload.config;
    Comparison compare(reload);
    compare.apply("log_level", now.log_level, wanted.log_level);
    compare.apply("log.driver", now.log.driver, wanted.log.driver);
    compare.apply("log.max-size", now.log.max_size, wanted.log.max_size);
    compare.apply("log.max-file", now.log.max_file, wanted.log.max_file);
    compare.apply("dns", now.dns, wanted.dns);
    compare.apply("shutdown_timeout", now.shutdown_timeout, wanted.shutdown_timeout);
    compare.apply("stop_timeout", now.stop_timeout, wanted.stop_timeout);
    compare.apply("pids_limit", now.pids_limit, wanted.pids_limit);
    compare.apply("images.gc", now.image_gc, wanted.image_gc);
    compare.apply("events_kept", now.events_kept, wanted.events_kept);
    compare.apply("registries", now.registries, wanted.registries);
    compare.apply("build.cache.max_size", now.build.cache_max_size, wanted.build.cache_max_size);
    compare.apply("build.cache.max_age", now.build.cache_max_age, wanted.build.cache_max_age);
    compare.apply("build.entitlements", now.build.entitlements, wanted.build.entitlements);
    compare.defer("name", now.name, wanted.name);
    defer_drivers(compare, now, wanted);
    compare.defer("default.network", now.defaults.network, wanted.defaults.network);
    compare.defer("default.volume", now.defaults.volume, wanted.defaults.volume);
    compare.defer("default.layer", now.defaults.layer, wanted.defaults.layer);
    compare.defer("default.runtime", now.defaults.runtime, wanted.defaults.runtime);
    compare.defer("default.host_network", now.defaults.host_network, wanted.defaults.host_network);
    compare.defer("default.none_network", now.defaults.none_network, wanted.defaults.none_network);
    compare.defer("address_pools", now.address_pools, wanted.address_pools);
    compare.defer("socket_group", now.socket_group, wanted.socket_group);
    compare.defer("hosts", now.listen, wanted.listen);
    return reload;
}

std::optional<Reload> reload_config(const ConfigSource& source, const Config& running) {
    Config wanted;
    const auto problems = read_config(source, driver::Ask::options, &wanted);
    if (!problems.empty()) {
        for (const std::string& problem : problems)
            log::error("a problem of the configuration", {{"problem", problem}});
        log::error("the configuration is not reloaded; the old one stays in force", {{"file", source.file}});
        return std::nullopt;
    }
    return plan_reload(running, wanted);
}

void log_reload(const ConfigSource& source, const Reload& reload) {
    for (const std::string& key : reload.deferred)
        log::warn("a changed key of the configuration needs a new start of gantryd", {{"key", key}});
    log::info("the configuration is reloaded", {{"file", source.file}, {"changed", join(reload.applied, ", ")}});
}

Json reload_attributes(const Config& config) {
    char host[HOST_NAME_MAX + 1] = "";
    (void)::gethostname(host, sizeof host - 1);
    return {{"name", host},
            {"log_level", config.log_level},
            {"log.driver", config.log.driver},
            {"log.max-size", std::to_string(config.log.max_size)},
            {"log.max-file", std::to_string(config.log.max_file)},
            {"dns", join(config.dns, ",")},
            {"shutdown_timeout", std::to_string(config.shutdown_timeout)},
            {"stop_timeout", std::to_string(config.stop_timeout)},
            {"pids_limit", std::to_string(config.pids_limit)},
            {"events_kept", std::to_string(config.events_kept)}};
}

}  // namespace gantry::daemon
