#include "core/image/api.hpp"

#include <gtest/gtest.h>

#include "tests/unit/core/image/image_archive.hpp"

namespace gantry::image {
namespace {

Image sample() {
    Image image;
    image.id = "sha256:" + std::string(64, '1');
    image.tags = {"web:1", "web:latest"};
    image.config = test::config_for({test::LayerBytes("a"), test::LayerBytes("b")});
    image.layers = {"k1", "k2"};
    image.layer_sizes = {100, 20};
    image.size = 120;
    image.created_ns = 1'704'164'645'500'000'000;
    image.tagged_ns = 1'704'164'646'000'000'000;
    return image;
}

}  // namespace

TEST(ImageApi, summary_has_every_required_member) {
    const Json summary = to_summary(sample(), 3);
    for (const char* member :
         {"Id", "ParentId", "RepoTags", "RepoDigests", "Created", "Size", "SharedSize", "Labels", "Containers"})
        EXPECT_TRUE(summary.contains(member)) << member;
    EXPECT_EQ(summary["Created"], 1'704'164'645);
    EXPECT_EQ(summary["Containers"], 3);
    EXPECT_EQ(summary["Labels"]["purpose"], "test");
}

TEST(ImageApi, inspect_shows_the_config) {
    const Json inspect = to_inspect(sample());
    EXPECT_EQ(inspect["Config"]["Cmd"].dump(), R"(["/bin/sh"])");
    EXPECT_EQ(inspect["RootFS"]["Layers"].size(), 2u);
    EXPECT_EQ(inspect["Architecture"], "amd64");
    EXPECT_EQ(inspect["Created"], "2024-01-02T03:04:05.5Z");
    EXPECT_EQ(inspect["Metadata"]["LastTagTime"], "2024-01-02T03:04:06.000000000Z");
}

TEST(ImageApi, history_is_newest_first_and_gives_layers_their_sizes) {
    const Json items = history(sample());
    ASSERT_EQ(items.size(), 3u);
    EXPECT_EQ(items[0]["Size"], 20) << "a layer that the config's history does not mention";
    EXPECT_EQ(items[0]["Id"], sample().id);
    EXPECT_EQ(items[0]["Tags"].size(), 2u);
    EXPECT_EQ(items[1]["CreatedBy"], "CMD");
    EXPECT_EQ(items[1]["Size"], 0);
    EXPECT_EQ(items[2]["Size"], 100);
    EXPECT_EQ(items[2]["Id"], "<missing>");
}

TEST(ImageApi, an_odd_config_harms_nothing) {
    Image image = sample();
    image.config = {{"config", nullptr},
                    {"history", Json::array({1, nullptr, Json{{"empty_layer", "yes"}, {"created", 7}}})}};
    EXPECT_TRUE(to_summary(image, -1)["Labels"].is_object());
    EXPECT_TRUE(to_inspect(image)["Config"].is_object());
    EXPECT_TRUE(history(image).is_array());
}

}  // namespace gantry::image
