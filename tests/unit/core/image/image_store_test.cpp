#include "core/image/image_store.hpp"

#include <thread>

#include "tests/unit/core/image/store_fixture.hpp"

namespace gantry::image {
namespace {

using ImageStoreTest = ImageStoreFixture;
using test::DockerArchive;
using test::LayerBytes;
using test::OciArchive;
using test::TarMaker;

const auto nobody = [](const std::string&) { return std::string(); };

DockerArchive web(const std::string& content = "x", const char* tag = "web:1") {
    DockerArchive archive{{LayerBytes(TarMaker().directory("etc").file("etc/name", "base").file("etc/old").done()),
                           LayerBytes(TarMaker().file("app", content).file("etc/.wh.old", "").done())}};
    archive.tags = Json::array({tag});
    return archive;
}

}  // namespace

TEST_F(ImageStoreTest, loads_a_docker_archive) {
    const DockerArchive archive = web("hello");
    auto names = load(archive.tar());
    ASSERT_TRUE(names) << names.error().text;
    EXPECT_EQ(*names, std::vector<std::string>{"web:1"});
    auto image = images->find("web:1");
    ASSERT_TRUE(image);
    EXPECT_EQ((*image)->id, archive.id());
    EXPECT_EQ((*image)->layers.size(), 2u);
    EXPECT_EQ((*image)->config["config"]["Cmd"][0], "/bin/sh");
    EXPECT_EQ((*image)->size, 10);
    EXPECT_EQ((*image)->created_ns, 1'704'164'645'500'000'000);
    EXPECT_EQ(test::content_of(fs_of((*image)->top_layer()) + "/app"), "hello");
    EXPECT_EQ(told.back()["stream"], "Loaded image: web:1\n");
    EXPECT_TRUE(std::filesystem::is_empty(scratch / "images/tmp"));
}

TEST_F(ImageStoreTest, loads_compressed_archives_with_compressed_layers) {
    const std::string one = TarMaker().file("a", "1").done(), two = TarMaker().file("b", "2").done(),
                      three = TarMaker().file("c", "3").done();
    DockerArchive archive{{LayerBytes(one, test::gzip(one)), LayerBytes(two, test::zstd(two)), LayerBytes(three)}};
    for (const std::string& tar : {test::gzip(archive.tar()), test::zstd(archive.tar())}) {
        auto names = load(tar);
        ASSERT_TRUE(names) << names.error().text;
    }
    EXPECT_EQ((*images->find("web:1"))->layers.size(), 3u);
    EXPECT_EQ(images->list().size(), 1u);
}

TEST_F(ImageStoreTest, loads_an_oci_layout) {
    OciArchive archive{{simple_layer("f", "oci")}};
    auto names = load(archive.tar());
    ASSERT_TRUE(names) << names.error().text;
    EXPECT_EQ(*names, std::vector<std::string>{"oci:2"});
    auto image = images->find("oci:2");
    ASSERT_EQ((*image)->repo_digests.size(), 1u);
    EXPECT_EQ((*images->find((*image)->repo_digests[0]))->id, (*image)->id);
}

TEST_F(ImageStoreTest, an_image_without_a_name_is_found_by_its_id) {
    DockerArchive archive = web();
    archive.tags = nullptr;
    auto names = load(archive.tar());
    ASSERT_TRUE(names) << names.error().text;
    EXPECT_EQ(*names, std::vector<std::string>{archive.id()});
    const std::string hex = archive.id().substr(7);
    for (const std::string& name : {archive.id(), hex, hex.substr(0, 12), "sha256:" + hex.substr(0, 5)})
        EXPECT_TRUE(images->find(name)) << name;
}

TEST_F(ImageStoreTest, what_is_not_there_is_told_in_dockers_words) {
    EXPECT_EQ(images->find("nope").error().text, "No such image: nope:latest");
    EXPECT_EQ(images->find("nope:1").error().code, Code::not_found);
    EXPECT_EQ(images->find("Nope").error().text, "invalid reference format: repository name must be lowercase");
    EXPECT_EQ(images->find(std::string(64, 'a')).error().code, Code::not_found);
}

TEST_F(ImageStoreTest, an_ambiguous_prefix_is_an_error) {
    std::map<char, std::string> first;
    for (int i = 0; i < 40; ++i) {
        DockerArchive archive = web(std::to_string(i), "x:1");
        ASSERT_TRUE(load(archive.tar()));
        const char digit = archive.id()[7];
        if (first.contains(digit)) {
            auto found = images->find(std::string(1, digit));
            ASSERT_FALSE(found);
            EXPECT_EQ(found.error().code, Code::invalid);
            return;
        }
        first[digit] = archive.id();
    }
    FAIL() << "sixteen first digits, forty images";
}

TEST_F(ImageStoreTest, a_wrong_diff_id_leaves_nothing) {
    DockerArchive archive = web();
    archive.config = test::config_for(archive.layers);
    archive.config["rootfs"]["diff_ids"][1] = "sha256:" + std::string(64, 'e');
    Json manifest = archive.manifest();
    manifest[0]["Layers"][1] = archive.layers[1].diff_id().substr(7) + "/layer.tar";
    auto names = load(archive.tar(manifest));
    ASSERT_FALSE(names);
    EXPECT_NE(names.error().text.find("has the digest"), std::string::npos) << names.error().text;
    expect_empty();
}

TEST_F(ImageStoreTest, a_hostile_layer_leaves_nothing) {
    for (const std::string& tar :
         {TarMaker().file("../evil").done(), TarMaker().symlink(".", "/etc").done(),
          std::string("no tar at all, but long enough to be read as one block").append(600, 'x')}) {
        DockerArchive archive{{simple_layer("good", "x"), LayerBytes(tar)}};
        EXPECT_FALSE(load(archive.tar()));
        expect_empty();
    }
}

TEST_F(ImageStoreTest, a_cut_archive_leaves_nothing) {
    const std::string tar = web().tar();
    for (std::size_t size = 0; size + 2048 < tar.size(); size += 700) EXPECT_FALSE(load(tar.substr(0, size))) << size;
    expect_empty();
}

TEST_F(ImageStoreTest, layers_are_shared_and_not_unpacked_twice) {
    ASSERT_TRUE(load(web("1", "a:1").tar()));
    ASSERT_TRUE(load(web("2", "b:1").tar()));
    EXPECT_EQ(layer_keys().size(), 3u);
    EXPECT_EQ((*images->find("a:1"))->layers[0], (*images->find("b:1"))->layers[0]);
}

TEST_F(ImageStoreTest, a_tag_moves_and_the_former_owner_stays_without_it) {
    ASSERT_TRUE(load(web("1").tar()));
    const std::string old = (*images->find("web:1"))->id;
    ASSERT_TRUE(load(web("2").tar()));
    EXPECT_NE((*images->find("web:1"))->id, old);
    auto former = images->find(old);
    ASSERT_TRUE(former);
    EXPECT_TRUE((*former)->tags.empty());
    ASSERT_TRUE(images->tag(old, "web"));
    EXPECT_EQ((*images->find("web"))->id, old);
    EXPECT_FALSE(images->tag(old, "Bad"));
    EXPECT_FALSE(images->tag("absent", "x"));
    EXPECT_FALSE(images->tag(old, "x@sha256:" + std::string(64, 'a')));
}

TEST_F(ImageStoreTest, everything_is_there_after_a_restart) {
    const DockerArchive archive = web();
    ASSERT_TRUE(load(archive.tar()));
    ASSERT_TRUE(images->tag("web:1", "other:2"));
    open();
    auto image = images->find("other:2");
    ASSERT_TRUE(image) << image.error().text;
    EXPECT_EQ((*image)->id, archive.id());
    EXPECT_EQ((*image)->tags, (std::vector<std::string>{"other:2", "web:1"}));
    EXPECT_EQ((*image)->layer_sizes.size(), 2u);
    EXPECT_TRUE(images->damage().empty());
}

TEST_F(ImageStoreTest, a_damaged_image_is_set_aside_and_mended_by_loading_it_again) {
    const DockerArchive archive = web();
    ASSERT_TRUE(load(archive.tar()));
    ASSERT_TRUE(load(web("2", "fine:1").tar()));
    const std::string hex = archive.id().substr(7);
    test::write_text(scratch / ("images/blobs/sha256/" + hex.substr(0, 2) + "/" + hex), "{ damaged");
    open();
    EXPECT_FALSE(images->find("web:1"));
    EXPECT_TRUE(images->find("fine:1"));
    ASSERT_EQ(images->damage().size(), 1u);
    EXPECT_EQ(images->damage()[0].id, archive.id());
    ASSERT_TRUE(load(archive.tar()));
    EXPECT_TRUE(images->find("web:1"));
    EXPECT_TRUE(images->damage().empty());
    open();
    EXPECT_TRUE(images->find("web:1"));
}

TEST_F(ImageStoreTest, an_image_with_a_record_of_another_shape_is_set_aside_and_mended_by_loading_it_again) {
    const DockerArchive archive = web();
    for (const Json& body :
         {Json::object(), Json{{"name", 5}}, Json{{"tags", nullptr}, {"layers", {{"a", nullptr}}}}}) {
        ASSERT_TRUE(load(archive.tar()));
        ASSERT_TRUE(load(web("2", "fine:1").tar()));
        ASSERT_TRUE(store->put("image", {archive.id(), "", 1, body}));
        open();
        EXPECT_FALSE(images->find("web:1"));
        EXPECT_FALSE(images->find(archive.id()));
        EXPECT_EQ(images->list().size(), 1u);
        ASSERT_EQ(images->damage().size(), 1u);
        EXPECT_EQ(images->damage()[0].id, archive.id());
        ASSERT_TRUE(load(archive.tar()));
        EXPECT_EQ((*images->find("web:1"))->layers.size(), 2u);
        EXPECT_TRUE(images->damage().empty());
    }
}

TEST_F(ImageStoreTest, loads_archives_and_layers_that_end_without_padding) {
    // umoci and others end a tar right behind the content of its last file.
    const std::string layer = TarMaker().file("first", "1").file("last", "the end").unpadded();
    ASSERT_NE(layer.size() % 512, 0u);
    const DockerArchive archive{{LayerBytes(layer)}};
    auto names = load(archive.tar());
    ASSERT_TRUE(names) << names.error().text;
    const std::string root = fs_of((*images->find("web:1"))->top_layer());
    EXPECT_EQ(test::content_of(root + "/last"), "the end");

    DockerArchive whole = web();
    const std::string outer = whole.unpadded_tar();
    ASSERT_NE(outer.size() % 512, 0u);
    names = load(outer);
    ASSERT_TRUE(names) << names.error().text;
    EXPECT_EQ((*images->find("web:1"))->id, whole.id());
}

TEST_F(ImageStoreTest, refuses_archives_and_layers_that_end_within_a_file) {
    const std::string layer = TarMaker().file("first", "1").file("last", "the end").unpadded();
    const DockerArchive archive{{LayerBytes(layer.substr(0, layer.size() - 1))}};
    EXPECT_FALSE(load(archive.tar()));
    const std::string outer = web().unpadded_tar();
    EXPECT_FALSE(load(outer.substr(0, outer.size() - 1)));
    EXPECT_FALSE(load(DockerArchive{{LayerBytes(layer + std::string(1, '\0'))}}.tar())) << "cut within the padding";
    EXPECT_FALSE(load(outer + std::string(1, '\0'))) << "cut within the padding";
    // Nor is a cut header taken for the end.
    const std::string good = web().tar();
    EXPECT_FALSE(load(good.substr(0, 512 + 300)));
    expect_empty();
}

TEST_F(ImageStoreTest, removing_one_of_several_tags_only_takes_the_tag) {
    ASSERT_TRUE(load(web().tar()));
    ASSERT_TRUE(images->tag("web:1", "web:2"));
    auto removed = images->remove("web:1", false, true, nobody);
    ASSERT_TRUE(removed);
    EXPECT_EQ(removed->untagged, std::vector<std::string>{"web:1"});
    EXPECT_TRUE(removed->deleted.empty());
    removed = images->remove("web:2", false, true, nobody);
    ASSERT_TRUE(removed);
    EXPECT_EQ(removed->deleted.size(), 1u);
    EXPECT_TRUE(images->list().empty());
    EXPECT_EQ(images->remove("web:2", false, true, nobody).error().text, "No such image: web:2");
}

TEST_F(ImageStoreTest, removing_by_id_needs_force_for_several_tags) {
    const DockerArchive archive = web();
    ASSERT_TRUE(load(archive.tar()));
    ASSERT_TRUE(images->tag("web:1", "app:2"));
    const std::string short_id = archive.id().substr(7, 12);
    auto removed = images->remove(short_id, false, true, nobody);
    ASSERT_FALSE(removed);
    EXPECT_EQ(removed.error().text, "conflict: unable to delete " + short_id +
                                        " (must be forced) - image is referenced in multiple repositories");
    removed = images->remove(short_id, true, true, nobody);
    ASSERT_TRUE(removed);
    EXPECT_EQ(removed->untagged, (std::vector<std::string>{"app:2", "web:1"}));
}

TEST_F(ImageStoreTest, an_image_in_use_is_not_removed) {
    const DockerArchive archive = web();
    ASSERT_TRUE(load(archive.tar()));
    const std::string short_id = archive.id().substr(7, 12);
    auto removed =
        images->remove("web:1", false, true, [](const std::string&) { return std::string("container box"); });
    ASSERT_FALSE(removed);
    EXPECT_EQ(removed.error().code, Code::conflict);
    EXPECT_EQ(removed.error().text,
              "conflict: unable to remove repository reference \"web:1\" (must force) - container box is using its "
              "referenced image " +
                  short_id);
    removed =
        images->remove(short_id, true, true, [](const std::string&) { return std::string("running container box"); });
    ASSERT_FALSE(removed);
    EXPECT_EQ(removed.error().text, "conflict: unable to delete " + short_id +
                                        " (cannot be forced) - image is being used by running container box");
    removed = images->remove("web:1", true, true, [](const std::string&) { return std::string("container box"); });
    ASSERT_TRUE(removed) << "forced, the name goes and the image stays";
    EXPECT_TRUE(removed->deleted.empty());
    EXPECT_TRUE(images->find(short_id));
}

TEST_F(ImageStoreTest, many_loads_at_once_give_one_image_each) {
    std::vector<std::thread> threads;
    std::atomic<int> failures = 0;
    for (int t = 0; t < 6; ++t)
        threads.emplace_back([&, t] {
            UniqueFd stream =
                test::stream_of(web(std::to_string(t % 3), ("t" + std::to_string(t) + ":1").c_str()).tar());
            if (!images->load(stream.get(), nullptr)) ++failures;
        });
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(failures, 0);
    EXPECT_EQ(images->list().size(), 3u);
    EXPECT_EQ(layer_keys().size(), 4u);
}

}  // namespace gantry::image
