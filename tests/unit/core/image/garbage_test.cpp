#include "tests/unit/core/image/store_fixture.hpp"

namespace gantry::image {
namespace {

using Garbage = ImageStoreFixture;
const auto unused = [](const std::string&) { return std::string(); };

test::DockerArchive archive_of(const char* tag, const std::string& content) {
    test::DockerArchive archive{{simple_layer("base", "b"), simple_layer("top", content)}};
    archive.tags = Json::array({tag});
    return archive;
}

}  // namespace

TEST_F(Garbage, takes_what_no_image_needs_and_nothing_else) {
    ASSERT_TRUE(load(archive_of("a:1", "1").tar()));
    ASSERT_TRUE(load(archive_of("b:1", "2").tar()));
    ASSERT_TRUE(images->collect_garbage({}));
    EXPECT_EQ(layer_keys().size(), 3u);
    ASSERT_TRUE(images->remove("a:1", false, true, unused));
    auto freed = images->collect_garbage({});
    ASSERT_TRUE(freed) << freed.error().text;
    EXPECT_GT(*freed, 0);
    EXPECT_EQ(layer_keys().size(), 2u);
    EXPECT_TRUE(images->find("b:1"));
    ASSERT_TRUE(images->remove("b:1", false, true, unused));
    ASSERT_TRUE(images->collect_garbage({}));
    expect_empty();
}

TEST_F(Garbage, leaves_layers_that_containers_stand_on) {
    ASSERT_TRUE(load(archive_of("a:1", "1").tar()));
    const auto keys = (*images->find("a:1"))->layers;
    ASSERT_TRUE(images->remove("a:1", true, true, unused));
    ASSERT_TRUE(images->collect_garbage({keys[1]}));
    EXPECT_EQ(layer_keys().size(), 2u) << "named by the caller, with what is below";
    ASSERT_TRUE(layers->call("layer/1", "prepare", Json{{"key", "container"}, {"parent", keys[1]}}));
    ASSERT_TRUE(images->collect_garbage({}));
    EXPECT_EQ(layer_keys().size(), 3u) << "an active layer needs its parents";
    ASSERT_TRUE(layers->call("layer/1", "remove", Json{{"key", "container"}}));
    ASSERT_TRUE(images->collect_garbage({}));
    expect_empty();
}

TEST_F(Garbage, tells_when_the_end_of_a_container_will_free_more) {
    ASSERT_TRUE(load(archive_of("a:1", "1").tar()));
    const std::string top = (*images->find("a:1"))->top_layer();
    ASSERT_TRUE(layers->call("layer/1", "prepare", Json{{"key", "container"}, {"parent", top}}));
    ASSERT_TRUE(images->collect_garbage({}));
    EXPECT_FALSE(images->has_leftovers()) << "its image is still there";
    ASSERT_TRUE(images->remove("a:1", true, true, unused));
    ASSERT_TRUE(images->collect_garbage({}));
    EXPECT_TRUE(images->has_leftovers());
    ASSERT_TRUE(layers->call("layer/1", "remove", Json{{"key", "container"}}));
    ASSERT_TRUE(images->collect_garbage({}));
    EXPECT_FALSE(images->has_leftovers());
    expect_empty();
}

TEST_F(Garbage, takes_layers_whose_unpacking_was_cut_short) {
    ASSERT_TRUE(layers->call("layer/1", "prepare", Json{{"key", "unpack-of-a-killed-engine"}, {"parent", ""}}));
    ASSERT_TRUE(images->collect_garbage({}));
    expect_empty();
}

TEST_F(Garbage, keeps_what_a_damaged_image_needs) {
    const auto archive = archive_of("a:1", "1");
    ASSERT_TRUE(load(archive.tar()));
    const std::string hex = archive.id().substr(7);
    test::write_text(scratch / ("images/blobs/sha256/" + hex.substr(0, 2) + "/" + hex), "damaged");
    open();
    ASSERT_EQ(images->damage().size(), 1u);
    ASSERT_TRUE(images->collect_garbage({}));
    EXPECT_EQ(layer_keys().size(), 2u);
}

TEST_F(Garbage, keeps_what_a_record_of_another_shape_still_names) {
    const auto archive = archive_of("a:1", "1");
    ASSERT_TRUE(load(archive.tar()));
    auto object = store->get("image", archive.id());
    ASSERT_TRUE(object && *object);
    (*object)->body["tags"] = nullptr;
    ASSERT_TRUE(store->put("image", **object));
    const auto blobs = files_below("images");
    open();
    ASSERT_EQ(images->damage().size(), 1u);
    ASSERT_TRUE(images->collect_garbage({}));
    EXPECT_EQ(layer_keys().size(), 2u);
    EXPECT_EQ(files_below("images"), blobs);
}

TEST_F(Garbage, runs_beside_loads) {
    std::atomic<bool> stop = false;
    std::atomic<int> failures = 0;
    std::thread collector([&] {
        while (!stop)
            if (!images->collect_garbage({})) ++failures;
    });
    ScopeGuard end([&] {
        stop = true;
        collector.join();
        EXPECT_EQ(failures, 0);
    });
    for (int i = 0; i < 25; ++i) {
        const std::string tag = "r:" + std::to_string(i);
        auto names = load(archive_of(tag.c_str(), std::to_string(i % 2)).tar());
        ASSERT_TRUE(names) << names.error().text;
        auto image = images->find(tag);
        ASSERT_TRUE(image);
        const auto keys = layer_keys();
        for (const std::string& key : (*image)->layers) EXPECT_TRUE(keys.contains(key));
        ASSERT_TRUE(images->remove(tag, true, true, unused));
    }
}

}  // namespace gantry::image
