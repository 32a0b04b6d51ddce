#include "core/plugin/plugin_files.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/base/files.hpp"
#include "core/image/digest.hpp"
#include "core/image/media_types.hpp"
#include "core/plugin/plugin_config.hpp"
#include "tests/unit/core/plugin/sample.hpp"
#include "tests/unit/core/plugin/tar.hpp"
#include "tests/unit/plugins/storage/scratch.hpp"

namespace gantry::plugin {
namespace {

using gantry::test::content_of;
using gantry::test::is_there;
using gantry::test::stream_of;
using test::Tar;
using ::testing::HasSubstr;

const std::string config_text = R"({"Entrypoint": ["/p"], "Interface": {"Socket": "p.sock"}})";

struct PluginFiles : ::testing::Test {
    gantry::test::Scratch scratch;
    std::string directory;
    void SetUp() override {
        REQUIRE_ROOT();
        directory = scratch / "plugin";
    }
    Result<Content> unpack(Tar& tar) {
        UniqueFd body = stream_of(tar.bytes());
        return unpack_context(body.get(), directory);
    }
    std::string refusal(Tar& tar) {
        EXPECT_TRUE(remove_tree(directory));
        auto content = unpack(tar);
        return content ? "" : content.error().text;
    }
    LayerFile layer_of(Tar& tar) {
        const std::string bytes = tar.bytes();
        const std::string digest = image::digest_of(bytes);
        return {{std::string(image::media::docker_layer), digest, static_cast<std::int64_t>(bytes.size())},
                digest,
                stream_of(bytes)};
    }
};

TEST_F(PluginFiles, of_an_archive_become_a_tree_and_a_layer_of_it) {
    Tar tar;
    tar.file("./config.json", config_text)
        .directory("rootfs/")
        .file("rootfs/p", "program", 0755)
        .link("rootfs/q", "/p");
    tar.hard_link("rootfs/r", "rootfs/p").file("README", "not of it");
    auto content = unpack(tar);
    ASSERT_TRUE(content) << content.error().text;
    const std::string tree = tree_path(directory, content->tree);
    EXPECT_EQ(content_of(tree + "/p"), "program");
    EXPECT_EQ(gantry::test::info_of(tree + "/r").st_nlink, 2u);
    EXPECT_FALSE(is_there(directory + "/incoming"));
    ASSERT_EQ(content->layers.size(), 1u);
    const std::string blob = content_of(blob_path(directory, content->layers[0].digest));
    EXPECT_EQ(image::digest_of(blob), content->layers[0].digest);
    EXPECT_EQ(static_cast<std::int64_t>(blob.size()), content->layers[0].size);
    const std::string document = content_of(blob_path(directory, content->document.digest));
    EXPECT_EQ(image::digest_of(document), content->document.digest);
    auto again = read_config(document);
    ASSERT_TRUE(again);
    EXPECT_EQ(*again, content->config);

    // The layer unpacks to the same tree.
    UniqueFd file = stream_of(blob);
    std::vector<LayerFile> layers;
    layers.push_back({content->layers[0], content->config["rootfs"]["diff_ids"][0], std::move(file)});
    auto pulled = unpack_layers(document, std::move(layers), scratch / "other");
    ASSERT_TRUE(pulled) << pulled.error().text;
    EXPECT_EQ(content_of(tree_path(scratch / "other", pulled->tree) + "/p"), "program");
}

TEST_F(PluginFiles, of_hostile_archives_are_refused) {
    gantry::test::write_text(scratch / "secret", config_text);
    Tar none, no_rootfs, linked, climbing, through, file_rootfs, linked_rootfs, hard;
    EXPECT_EQ(refusal(none.file("rootfs/p", "")), "the archive has no config.json");
    EXPECT_EQ(refusal(no_rootfs.file("config.json", config_text)), "the archive has no rootfs");
    EXPECT_EQ(refusal(linked.link("config.json", scratch / "secret").directory("rootfs")),
              "the archive's config.json is not a regular file");
    EXPECT_THAT(refusal(climbing.file("config.json", config_text).file("rootfs/../../escaped", "x")),
                HasSubstr("leads out of its directory"));
    EXPECT_FALSE(is_there(scratch / "escaped"));
    EXPECT_NE(
        refusal(through.file("config.json", config_text).link("rootfs/l", scratch.path()).file("rootfs/l/x", "x")), "");
    EXPECT_FALSE(is_there(scratch / "x"));
    EXPECT_EQ(refusal(file_rootfs.file("config.json", config_text).file("rootfs", "x")),
              "the archive's rootfs is not a directory");
    EXPECT_EQ(refusal(linked_rootfs.file("config.json", config_text).link("rootfs", "/")),
              "the archive's rootfs is not a directory");
    EXPECT_NE(refusal(hard.file("config.json", config_text).hard_link("rootfs/p", "../../secret")), "");
}

TEST_F(PluginFiles, of_several_layers_are_laid_over_each_other) {
    Tar lower, upper;
    lower.directory("d").file("d/old", "1").file("kept", "1");
    upper.file("d/.wh.old", "").file("d/new", "2");
    std::vector<LayerFile> layers;
    layers.push_back(layer_of(lower));
    layers.push_back(layer_of(upper));
    auto content = unpack_layers(config_text, std::move(layers), directory);
    ASSERT_TRUE(content) << content.error().text;
    const std::string tree = tree_path(directory, content->tree);
    EXPECT_FALSE(is_there(tree + "/d/old"));
    EXPECT_TRUE(is_there(tree + "/d/new") && is_there(tree + "/kept"));

    Tar wrong;
    layers.clear();
    layers.push_back(layer_of(wrong.file("a", "b")));
    layers[0].diff_id = image::digest_of("other");
    EXPECT_THAT(unpack_layers(config_text, std::move(layers), directory).error().text,
                HasSubstr("as its configuration says"));
}

TEST_F(PluginFiles, that_no_record_names_are_swept) {
    Tar tar;
    auto content = unpack(tar.file("config.json", config_text).file("rootfs/p", ""));
    ASSERT_TRUE(content) << content.error().text;
    for (const char* stray : {"rootfs/other", "blobs/other", "incoming"})
        ASSERT_TRUE(make_directories(directory + "/" + stray));
    ASSERT_TRUE(make_directories(directory + "/log"));
    ASSERT_TRUE(sweep_directory(directory, *content));
    for (const char* stray : {"rootfs/other", "blobs/other", "incoming"})
        EXPECT_FALSE(is_there(directory + "/" + stray));
    EXPECT_TRUE(is_there(tree_path(directory, content->tree) + "/p"));
    EXPECT_TRUE(is_there(blob_path(directory, content->document.digest)));
    EXPECT_TRUE(is_there(directory + "/log"));
    ASSERT_TRUE(remove_directory(directory));
    EXPECT_FALSE(is_there(directory));
    EXPECT_TRUE(remove_directory(directory));
}

TEST_F(PluginFiles, the_propagated_mount_is_there_once_and_goes_wholly) {
    ASSERT_TRUE(make_directories(directory));
    auto mounts = [&] {
        const std::string table = content_of("/proc/self/mountinfo");
        std::size_t count = 0;
        for (std::size_t at = 0; (at = table.find(directory, at)) != std::string::npos; ++at) ++count;
        return count;
    };
    ASSERT_TRUE(mount_propagated(directory));
    const std::size_t once = mounts();
    EXPECT_GT(once, 0u);
    ASSERT_TRUE(mount_propagated(directory));
    EXPECT_EQ(mounts(), once);
    unmount_propagated(directory);
    unmount_propagated(directory);
    EXPECT_EQ(mounts(), 0u);
}

}  // namespace
}  // namespace gantry::plugin
