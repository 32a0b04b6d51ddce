// What a reload changes, what it leaves, and what it says.
#include "core/daemon/reload.hpp"

#include <gtest/gtest.h>

#include "core/base/files.hpp"
#include "tests/unit/core/store/scratch.hpp"

using namespace gantry;
using namespace gantry::daemon;
using gantry::test::Scratch;

namespace {

using Keys = std::vector<std::string>;

driver::Wanted driver_named(const std::string& name, Json options = Json::object()) {
    driver::Wanted wanted;
    wanted.name = name;
    wanted.options = std::move(options);
    return wanted;
}

}  // namespace

TEST(Reload, nothing_changed_is_nothing_to_do) {
    config::Config config;
    config.drivers = {driver_named("nfs", {{"server", "a"}})};
    const Reload reload = plan_reload(config, config);
    EXPECT_TRUE(reload.applied.empty() && reload.deferred.empty());
}

TEST(Reload, applies_what_holds_for_what_comes_later) {
    config::Config running, wanted;
    wanted.log_level = "debug";
    wanted.log = {"local", 1 << 20, 2};
    wanted.dns = {"10.0.0.1"};
    wanted.shutdown_timeout = 1;
    wanted.stop_timeout = 2;
    wanted.pids_limit = 3;
    wanted.events_kept = 4;
    const Reload reload = plan_reload(running, wanted);
    EXPECT_EQ(reload.applied, (Keys{"log_level", "log.driver", "log.max-size", "log.max-file", "dns",
                                    "shutdown_timeout", "stop_timeout", "pids_limit", "events_kept"}));
    EXPECT_TRUE(reload.deferred.empty());
    EXPECT_EQ(reload.config.log_level, "debug");
    EXPECT_EQ(reload.config.log, wanted.log);
    EXPECT_EQ(reload.config.dns, wanted.dns);
    EXPECT_EQ(reload.config.stop_timeout, 2);
    EXPECT_EQ(reload.config.events_kept, 4);
}

TEST(Reload, defers_what_something_was_made_with_and_says_so_again_next_time) {
    config::Config running, wanted;
    running.drivers = {driver_named("gone"), driver_named("nfs", {{"server", "a"}})};
    wanted.name = "other";
    wanted.driver_path = {"/x"};
    wanted.drivers = {driver_named("nfs", {{"server", "b"}}), driver_named("new")};
    wanted.defaults = {"n", "v", "l", "r", "h", "o"};
    wanted.address_pools = {{"10.0.0.0/8", 24}};
    wanted.socket_group = "docker";
    wanted.stop_timeout = 1;
    const Keys all{"name",
                   "drivers.path",
                   "drivers.nfs",
                   "drivers.new",
                   "drivers.gone",
                   "default.network",
                   "default.volume",
                   "default.layer",
                   "default.runtime",
                   "default.host_network",
                   "default.none_network",
                   "address_pools",
                   "socket_group"};
    Reload reload = plan_reload(running, wanted);
    EXPECT_EQ(reload.deferred, all);
    EXPECT_EQ(reload.applied, Keys{"stop_timeout"});
    EXPECT_EQ(reload.config.name, "");
    EXPECT_EQ(reload.config.drivers, running.drivers);
    EXPECT_EQ(reload.config.defaults, running.defaults);
    reload = plan_reload(reload.config, wanted);
    EXPECT_EQ(reload.deferred, all);
    EXPECT_TRUE(reload.applied.empty());
}

TEST(Reload, the_command_line_outranks_the_file) {
    Scratch scratch;
    ASSERT_TRUE(write_file(scratch / "f", R"({"log_level": "error", "stop_timeout": 3})"));
    ConfigSource source;
    source.file = scratch / "f";
    source.missing = config::Missing::is_error;
    config::Config running;
    running.log_level = source.log_level = "debug";
    const auto reload = reload_config(source, running);
    ASSERT_TRUE(reload);
    EXPECT_EQ(reload->config.log_level, "debug");
    EXPECT_EQ(reload->applied, Keys{"stop_timeout"});
}

TEST(Reload, a_bad_file_changes_nothing) {
    Scratch scratch;
    ASSERT_TRUE(write_file(scratch / "f", R"({"stop_timeout": 3, "pids_limit": "many"})"));
    ConfigSource source;
    source.file = scratch / "f";
    EXPECT_FALSE(reload_config(source, config::Config{}));
    source.file = scratch / "gone";
    source.missing = config::Missing::is_error;
    EXPECT_FALSE(reload_config(source, config::Config{}));
}

TEST(Reload, the_event_tells_of_each_key_as_text) {
    config::Config config;
    config.dns = {"10.0.0.1", "10.0.0.2"};
    const Json attributes = reload_attributes(config);
    for (const auto& [key, value] : attributes.items()) EXPECT_TRUE(value.is_string()) << key;
    EXPECT_EQ(attributes["dns"], "10.0.0.1,10.0.0.2");
    EXPECT_EQ(attributes["stop_timeout"], "10");
    EXPECT_NE(attributes["name"], "");
}
