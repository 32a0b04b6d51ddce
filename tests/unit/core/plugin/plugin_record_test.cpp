#include "core/plugin/plugin_record.hpp"

#include <gtest/gtest.h>

#include "core/image/digest.hpp"
#include "core/plugin/plugin_config.hpp"
#include "core/plugin/plugin_settings.hpp"
#include "tests/unit/core/plugin/sample.hpp"

namespace gantry::plugin {
namespace {

Plugin sample() {
    Plugin plugin;
    plugin.id = std::string(64, 'a');
    plugin.name = "test/sample:latest";
    plugin.reference = "localhost:5000/test/sample:latest";
    plugin.enabled = true;
    plugin.timeout_s = 5;
    plugin.content.config = *read_config(test::sample_config().dump());
    plugin.content.tree = std::string(64, 'b');
    plugin.content.document = {"type", image::digest_of("config"), 6};
    plugin.content.layers = {{"layer", image::digest_of("layer"), 5}};
    plugin.settings = default_settings(plugin.content.config);
    plugin.created_ns = 7;
    return plugin;
}

TEST(PluginRecord, is_read_as_it_was_written) {
    const store::Object object = to_object(sample());
    EXPECT_EQ(object.name, "test/sample:latest");
    auto read = from_object(object);
    ASSERT_TRUE(read) << read.error().text;
    EXPECT_EQ(to_object(*read).body, object.body);
    EXPECT_EQ(read->content.layers[0].digest, image::digest_of("layer"));
}

TEST(PluginRecord, is_shown_as_the_api_has_it) {
    const Json api = sample().to_api();
    EXPECT_EQ(api["Id"], std::string(64, 'a'));
    EXPECT_EQ(api["Name"], "test/sample:latest");
    EXPECT_EQ(api["Enabled"], true);
    EXPECT_EQ(api["PluginReference"], "localhost:5000/test/sample:latest");
    EXPECT_EQ(api["Settings"]["Env"][0], "DEBUG=0");
    EXPECT_EQ(api["Config"]["Entrypoint"][0], "/bin/sample");
}

TEST(PluginRecord, that_is_damaged_is_told) {
    const store::Object good = to_object(sample());
    for (const auto& member : good.body.items()) {
        store::Object bad = good;
        bad.body.erase(member.key());
        EXPECT_FALSE(from_object(bad)) << member.key();
        bad.body[member.key()] = Json::array({Json::array()});
        EXPECT_FALSE(from_object(bad)) << member.key();
    }
    store::Object bad = good;
    bad.body["tree"] = "../../etc";
    EXPECT_EQ(from_object(bad).error().code, Code::corrupt);
    bad = good;
    bad.body["layers"][0]["digest"] = "sha256:../x";
    EXPECT_EQ(from_object(bad).error().code, Code::corrupt);
    bad = good;
    bad.body["config"]["Mounts"][0]["Destination"] = "relative";
    EXPECT_EQ(from_object(bad).error().code, Code::corrupt);
    bad = good;
    bad.id = "../x";
    EXPECT_EQ(from_object(bad).error().code, Code::corrupt);
}

}  // namespace
}  // namespace gantry::plugin
