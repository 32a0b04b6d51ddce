// An image store over the real layer driver and store, in a directory of the test's own.
#pragma once
#include <gtest/gtest.h>

#include <gantry/driver.hpp>

#include "core/image/image_store.hpp"
#include "tests/unit/core/image/image_archive.hpp"
#include "tests/unit/plugins/storage/one_driver.hpp"

namespace gantry::image {

struct ImageStoreFixture : ::testing::Test {
    test::Scratch scratch;
    std::unique_ptr<store::Store> store;
    std::unique_ptr<driver::Registry> drivers;
    std::shared_ptr<driver::Driver> layers;
    std::unique_ptr<ImageStore> images;
    std::vector<Json> told;
    std::mutex told_mutex;

    void SetUp() override {
        REQUIRE_ROOT();
        open();
    }
    void open() {
        images.reset();
        layers.reset();
        drivers.reset();
        store.reset();
        auto opened = store::Store::open(scratch / "store.db");
        ASSERT_TRUE(opened) << opened.error().text;
        store = std::move(*opened);
        drivers = test::registry_with(scratch, "overlayfs");
        auto found = drivers->get(driver::Kind::layer, "overlayfs");
        ASSERT_TRUE(found) << found.error().text;
        layers = *found;
        auto made = ImageStore::open(scratch / "images", *store, layers);
        ASSERT_TRUE(made) << made.error().text;
        images = std::move(*made);
    }
    Progress progress() {
        return [this](const Json& message) {
            std::lock_guard lock(told_mutex);
            told.push_back(message);
        };
    }
    Result<std::vector<std::string>> load(const std::string& tar) {
        UniqueFd stream = test::stream_of(tar);
        return images->load(stream.get(), progress());
    }
    // The only file system of a layer, seen from outside.
    std::string fs_of(const std::string& key) {
        auto view = layers->call("layer/1", "view", Json{{"key", "test-view-" + key}, {"parent", key}});
        EXPECT_TRUE(view) << view.error().text;
        const Json mount = view->result["mounts"][0];
        (void)layers->call("layer/1", "remove", Json{{"key", "test-view-" + key}});
        return mount["type"] == "bind" ? mount["source"].get<std::string>() : mount["lower"][0].get<std::string>();
    }
    std::set<std::string> layer_keys() {
        return layers->call("layer/1", "list", Json::object())->result["keys"].get<std::set<std::string>>();
    }
    std::vector<std::string> files_below(const std::string& name) const {
        std::vector<std::string> files;
        for (const auto& entry : std::filesystem::recursive_directory_iterator(scratch / name))
            if (entry.is_regular_file()) files.push_back(entry.path().filename());
        return files;
    }
    // Nothing of a failed load is left.
    void expect_empty() {
        EXPECT_TRUE(images->list().empty());
        EXPECT_TRUE(layer_keys().empty());
        EXPECT_TRUE(files_below("images").empty());
    }
};

inline test::LayerBytes simple_layer(const std::string& file, const std::string& content) {
    return test::LayerBytes(test::TarMaker().file(file, content).done());
}

}  // namespace gantry::image
