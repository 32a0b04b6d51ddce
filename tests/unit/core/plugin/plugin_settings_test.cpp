#include "core/plugin/plugin_settings.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/plugin/plugin_config.hpp"
#include "tests/unit/core/plugin/sample.hpp"

namespace gantry::plugin {
namespace {

struct PluginSettings : ::testing::Test {
    Json config, settings;
    void SetUp() override {
        auto read = read_config(test::sample_config().dump());
        ASSERT_TRUE(read) << read.error().text;
        config = *read;
        settings = default_settings(config);
    }
    Json after(const std::vector<std::string>& arguments) {
        auto applied = apply_settings(config, settings, arguments);
        EXPECT_TRUE(applied) << applied.error().text;
        return applied ? *applied : Json();
    }
    std::string refusal(const std::string& argument) {
        auto applied = apply_settings(config, settings, {argument});
        return applied ? "" : applied.error().text;
    }
};

TEST_F(PluginSettings, begin_as_the_configuration_has_them) {
    EXPECT_EQ(settings["Env"], Json::parse(R"(["DEBUG=0","FIXED=1"])"));
    EXPECT_EQ(settings["Args"], Json::parse(R"(["-v"])"));
    EXPECT_EQ(settings["Mounts"], config["Mounts"]);
    EXPECT_EQ(settings["Devices"], config["Linux"]["Devices"]);
    EXPECT_TRUE(settings_fit(config, settings));
}

TEST_F(PluginSettings, of_every_kind_can_be_set) {
    EXPECT_EQ(after({"DEBUG=1"})["Env"], Json::parse(R"(["DEBUG=1","FIXED=1"])"));
    EXPECT_EQ(after({"DEBUG.value=a=b"})["Env"][0], "DEBUG=a=b");
    EXPECT_EQ(after({"UNSET=x"})["Env"], Json::parse(R"(["DEBUG=0","FIXED=1","UNSET=x"])"));
    EXPECT_EQ(after({"DEBUG="})["Env"][0], "DEBUG=");
    EXPECT_EQ(after({"state.source=/srv"})["Mounts"][0]["Source"], "/srv");
    EXPECT_EQ(after({"fuse.path=/dev/null"})["Devices"][0]["Path"], "/dev/null");
    EXPECT_EQ(after({"args=-a -b c"})["Args"], Json::parse(R"(["-a","-b","c"])"));
    EXPECT_TRUE(settings_fit(config, after({"state=/srv", "fuse=/dev/null", "UNSET=1", "args=x"})));
}

TEST_F(PluginSettings, that_cannot_be_set_are_refused_all_together) {
    EXPECT_EQ(refusal("FIXED=2"), "\"FIXED\" is not settable");
    EXPECT_EQ(refusal("DEBUG.name=x"), "\"DEBUG.name\" is not settable, \"DEBUG.value\" is");
    EXPECT_EQ(refusal("state=var"), "\"state\": found \"var\", allowed: an absolute path");
    EXPECT_EQ(refusal("DEBUX=1"),
              "setting \"DEBUX\" not found in the plugin configuration, there are: DEBUG, UNSET, state, "
              "fuse, args; did you mean \"DEBUG\"?");
    EXPECT_THAT(refusal("=1"), ::testing::HasSubstr("expected NAME=VALUE"));
    EXPECT_FALSE(apply_settings(config, settings, {"DEBUG=1", "FIXED=2"}));
}

TEST_F(PluginSettings, of_an_older_version_are_carried_over_where_they_still_can_be_set) {
    const Json set = after({"DEBUG=1", "UNSET=x", "state=/srv", "args=-q"});
    Json next = test::sample_config();
    next["env"][2]["settable"] = Json::array();
    next["env"][0]["value"] = "9";
    next["mounts"][0]["source"] = "/new";
    auto read = read_config(next.dump());
    ASSERT_TRUE(read);
    const Json carried = carried_settings(*read, config, set);
    EXPECT_EQ(carried["Env"], Json::parse(R"(["DEBUG=1","FIXED=1"])"));
    EXPECT_EQ(carried["Mounts"][0]["Source"], "/srv");
    EXPECT_EQ(carried["Args"], Json::parse(R"(["-q"])"));
    // What was not set is what the new version says.
    EXPECT_EQ(carried_settings(*read, config, settings)["Env"][0], "DEBUG=9");
    EXPECT_EQ(carried_settings(*read, config, settings)["Mounts"][0]["Source"], "/new");
}

TEST_F(PluginSettings, must_be_complete_before_it_runs) {
    EXPECT_TRUE(check_complete(settings));
    Json without = settings;
    without["Mounts"][0]["Source"] = nullptr;
    EXPECT_EQ(check_complete(without).error().text, "mount \"state\" has no source: it has to be set first");
    without["Mounts"][0]["Type"] = "tmpfs";
    EXPECT_TRUE(check_complete(without));
    without["Devices"][0]["Path"] = "";
    EXPECT_EQ(check_complete(without).error().text, "device \"fuse\" has no path: it has to be set first");
}

TEST_F(PluginSettings, of_another_configuration_do_not_fit) {
    Json other = settings;
    other["Mounts"][0]["Destination"] = "/etc";
    EXPECT_FALSE(settings_fit(config, other));
    other = settings;
    other["Devices"] = Json::array();
    EXPECT_FALSE(settings_fit(config, other));
    other = settings;
    other["Env"][0] = 5;
    EXPECT_FALSE(settings_fit(config, other));
    other = settings;
    other.erase("Args");
    EXPECT_FALSE(settings_fit(config, other));
    EXPECT_FALSE(settings_fit(config, Json()));
}

}  // namespace
}  // namespace gantry::plugin
