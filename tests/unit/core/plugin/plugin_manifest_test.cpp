#include "core/plugin/plugin_manifest.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/image/digest.hpp"
#include "core/image/media_types.hpp"
#include "core/plugin/plugin_config.hpp"

namespace gantry::plugin {
namespace {

using ::testing::HasSubstr;

const Blob config{std::string(config_type), image::digest_of("config"), 6};
const Blob layer{std::string(image::media::docker_layer_gzip), image::digest_of("layer"), 5};

std::string refusal(const Json& manifest) {
    auto parsed = parse_plugin_manifest(manifest.dump(), "r/p:1");
    return parsed ? "" : parsed.error().text;
}

TEST(PluginManifest, is_read_as_it_was_written) {
    auto parsed = parse_plugin_manifest(plugin_manifest(config, {layer}), "r/p:1");
    ASSERT_TRUE(parsed) << parsed.error().text;
    EXPECT_EQ(parsed->config.digest, config.digest);
    ASSERT_EQ(parsed->layers.size(), 1u);
    EXPECT_EQ(parsed->layers[0].size, 5);
    EXPECT_EQ(plugin_manifest(config, {layer}), plugin_manifest(config, {layer}));
}

TEST(PluginManifest, of_something_else_is_refused) {
    const Json good = Json::parse(plugin_manifest(config, {layer}));
    Json one = good;
    one["config"]["mediaType"] = image::media::docker_config;
    EXPECT_EQ(refusal(one), "\"r/p:1\" is an image and not a plugin");
    one = good;
    one["config"]["mediaType"] = "application/x";
    EXPECT_THAT(refusal(one), HasSubstr("config.mediaType: found \"application/x\""));
    EXPECT_EQ(refusal(Json{{"schemaVersion", 2}, {"manifests", Json::array({1})}}),
              "\"r/p:1\" is an index of images and not a plugin");
    one = good;
    one["layers"] = Json::array();
    EXPECT_THAT(refusal(one), HasSubstr("no layers"));
    one = good;
    one["layers"][0]["digest"] = "sha256:../../x";
    EXPECT_THAT(refusal(one), HasSubstr("layers[0].digest"));
    one = good;
    one["layers"][0]["size"] = -1;
    EXPECT_THAT(refusal(one), HasSubstr("layers[0].size: found -1"));
    one = good;
    one["config"]["size"] = 2 << 20;
    EXPECT_THAT(refusal(one), HasSubstr("config.size"));
    one = good;
    one["layers"][0]["urls"] = {"http://example.invalid/"};
    EXPECT_THAT(refusal(one), HasSubstr("not supported"));
    one = good;
    one["schemaVersion"] = 1;
    EXPECT_THAT(refusal(one), HasSubstr("schemaVersion"));
    EXPECT_FALSE(parse_plugin_manifest("[]", "r/p:1"));
    EXPECT_FALSE(parse_plugin_manifest("nonsense", "r/p:1"));
}

}  // namespace
}  // namespace gantry::plugin
