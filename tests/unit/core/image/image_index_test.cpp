// Images for several platforms: an index, its main image and the others.
#include <gtest/gtest.h>

#include "core/image/archive_plan.hpp"
#include "core/image/image_store_impl.hpp"
#include "tests/unit/core/image/store_fixture.hpp"

namespace gantry::image {
namespace {

using test::LayerBytes;
using test::OciArchive;

constexpr const char* foreign = "s390x";

// A layout whose one name is an index of images, each with a layer of its own.
struct IndexArchive {
    OciArchive oci{{}, "multi:1"};
    Json entries = Json::array();

    IndexArchive& add(const std::string& architecture, const std::string& content) {
        const LayerBytes layer = simple_layer("f", content);
        Json config = test::config_for({layer});
        config["architecture"] = architecture;
        const Json manifest{
            {"schemaVersion", 2},
            {"mediaType", OciArchive::manifest_type},
            {"config", oci.blob("application/vnd.oci.image.config.v1+json", config.dump())},
            {"layers", Json::array({oci.blob("application/vnd.oci.image.layer.v1.tar", layer.stored)})}};
        return entry(architecture, oci.blob(OciArchive::manifest_type, manifest.dump()));
    }
    IndexArchive& entry(const std::string& architecture, Json descriptor) {
        descriptor["platform"] = {{"os", "linux"}, {"architecture", architecture}};
        entries.push_back(std::move(descriptor));
        return *this;
    }
    // An attestation of the entry before it.
    IndexArchive& attest(const std::string& statement) {
        const std::string about = entries.back()["digest"];
        Json layer = oci.blob("application/vnd.in-toto+json", statement);
        layer["annotations"] = {{"in-toto.io/predicate-type", "https://example.invalid/" + statement}};
        const Json manifest{{"schemaVersion", 2},
                            {"mediaType", OciArchive::manifest_type},
                            {"config", oci.blob("application/vnd.oci.image.config.v1+json", "{}")},
                            {"layers", Json::array({layer})}};
        Json descriptor = oci.blob(OciArchive::manifest_type, manifest.dump());
        descriptor["platform"] = {{"os", "unknown"}, {"architecture", "unknown"}};
        descriptor["annotations"] = {{"vnd.docker.reference.type", "attestation-manifest"},
                                     {"vnd.docker.reference.digest", about}};
        entries.push_back(std::move(descriptor));
        return *this;
    }
    std::string text() const {
        return Json{{"schemaVersion", 2}, {"mediaType", OciArchive::index_type}, {"manifests", entries}}.dump();
    }
    std::string digest() const { return digest_of(text()); }
    std::string tar() {
        OciArchive whole = oci;
        return whole.tar(whole.index_of(whole.blob(OciArchive::index_type, text())));
    }
};

struct ImageIndexTest : ImageStoreFixture {
    static std::string architecture(const std::shared_ptr<const Image>& image) {
        return image->config.value("architecture", "");
    }
    std::vector<std::string> architectures(const std::string& name) {
        std::vector<std::string> all;
        auto choices = images->choices(name);
        EXPECT_TRUE(choices) << choices.error().text;
        if (choices)
            for (const auto& image : choices->images) all.push_back(architecture(image));
        return all;
    }
    Result<std::string> saved(const std::string& name, const std::vector<Json>& platforms = {}) {
        std::string out;
        auto done = images->save({name}, platforms, [&] {
            return [&](std::string_view bytes) -> Result<void> {
                out += bytes;
                return {};
            };
        });
        if (!done) return done.error();
        return out;
    }
    const std::string own = host_architecture();
    using Names = std::vector<std::string>;
};

}  // namespace

TEST_F(ImageIndexTest, is_loaded_whole_and_stands_for_the_image_of_this_machine) {
    IndexArchive archive;
    archive.add(foreign, "foreign").add(own, "own");
    auto loaded = load(archive.tar());
    ASSERT_TRUE(loaded) << loaded.error().text;
    EXPECT_EQ(*loaded, Names{"multi:1"});
    for (int again = 0; again < 2; ++again) {
        EXPECT_EQ(images->list().size(), 1u);
        EXPECT_EQ(architecture(*images->find("multi:1")), own);
        EXPECT_EQ(architectures("multi:1"), (Names{own, foreign}));
        EXPECT_EQ(images->choices("multi:1")->index, archive.digest());
        EXPECT_EQ((*images->find("multi:1"))->repo_digests, Names{"multi@" + archive.digest()});
        EXPECT_EQ(architecture(*images->find(archive.digest())), own);
        EXPECT_EQ(architecture(*images->find("multi@" + archive.digest())), own);
        const std::string other = images->choices("multi:1")->images[1]->id;
        EXPECT_EQ(architecture(*images->find(other)), foreign);
        EXPECT_EQ(architecture(*images->find(other.substr(7, 20))), foreign);
        ASSERT_TRUE(images->collect_garbage({}));
        EXPECT_EQ(layer_keys().size(), 2u);
        EXPECT_EQ(files_below("images").size(), 7u);  // the index, and manifest, config and layer of each
        open();
    }
    EXPECT_TRUE(images->damage().empty());
}

TEST_F(ImageIndexTest, of_other_machines_alone_stands_for_the_first) {
    IndexArchive archive;
    archive.add(foreign, "a").add("riscv64", "b");
    ASSERT_TRUE(load(archive.tar()));
    EXPECT_EQ(architectures("multi:1"), (Names{foreign, "riscv64"}));
}

TEST_F(ImageIndexTest, of_which_only_one_image_is_there_is_that_image) {
    IndexArchive archive;
    archive.add(own, "own").entry(foreign, OciArchive::descriptor(OciArchive::manifest_type, "not in the archive"));
    ASSERT_TRUE(load(archive.tar()));
    EXPECT_EQ(images->choices("multi:1")->index, "");
    IndexArchive none;
    none.add(foreign, "x").entry(own, OciArchive::descriptor(OciArchive::manifest_type, "not in the archive"));
    EXPECT_FALSE(load(none.tar()));
}

TEST_F(ImageIndexTest, with_attestations_keeps_them_with_their_images_and_gives_them_on) {
    IndexArchive archive;
    archive.add(own, "own").attest(R"({"a":1})").add(foreign, "foreign").attest(R"({"b":2})");
    ASSERT_TRUE(load(archive.tar()));
    auto predicates = [&](const std::string& id) {
        auto statements = images->statements_of(id);
        EXPECT_TRUE(statements) << statements.error().text;
        Names all;
        if (statements)
            for (const auto& one : *statements) all.push_back(one.predicate_type);
        return all;
    };
    const Names of_own{R"(https://example.invalid/{"a":1})"}, of_foreign{R"(https://example.invalid/{"b":2})"};
    for (int again = 0; again < 2; ++again) {
        ASSERT_TRUE(images->collect_garbage({}));
        const auto all = images->choices("multi:1")->images;
        ASSERT_EQ(all.size(), 2u);
        EXPECT_EQ(predicates(all[0]->id), of_own);
        EXPECT_EQ(predicates(all[1]->id), of_foreign);
        EXPECT_EQ(*images->statement(images->statements_of(all[0]->id)->front()), R"({"a":1})");
        open();
    }
    auto whole = saved("multi:1"), one = saved("multi:1", {Json{{"os", "linux"}, {"architecture", foreign}}});
    ASSERT_TRUE(whole && one);
    ASSERT_TRUE(images->remove("multi:1", false, true, {}));
    ASSERT_TRUE(images->collect_garbage({}));
    expect_empty();
    ASSERT_TRUE(load(*whole));
    EXPECT_EQ(images->choices("multi:1")->index, archive.digest());
    EXPECT_EQ(predicates((*images->find("multi:1"))->id), of_own);
    ASSERT_TRUE(images->remove("multi:1", false, true, {}));
    ASSERT_TRUE(load(*one));
    EXPECT_EQ(predicates((*images->find("multi:1"))->id), of_foreign);
    EXPECT_EQ(architectures("multi:1"), Names{foreign});
    ASSERT_TRUE(images->remove("multi:1", false, true, {}));
    ASSERT_TRUE(images->collect_garbage({}));
    expect_empty();
    EXPECT_FALSE(images->statements_of("sha256:" + std::string(64, 'a')));
}

TEST_F(ImageIndexTest, goes_with_its_last_name) {
    IndexArchive archive;
    archive.add(own, "own").add(foreign, "foreign");
    ASSERT_TRUE(load(archive.tar()));
    ASSERT_TRUE(images->tag("multi:1", "again:2"));
    EXPECT_EQ(architectures("again:2").size(), 2u);
    ASSERT_TRUE(images->tag((*images->find("multi:1"))->id, "alone:3"));
    EXPECT_EQ(architectures("alone:3"), Names{own});
    ASSERT_TRUE(images->remove("multi:1", false, true, {}));
    EXPECT_EQ(architectures("again:2").size(), 2u);
    ASSERT_TRUE(images->remove("again:2", false, true, {}));
    EXPECT_EQ(architectures("alone:3"), Names{own});
    ASSERT_TRUE(images->collect_garbage({}));
    EXPECT_EQ(layer_keys().size(), 1u);
    ASSERT_TRUE(images->remove("alone:3", false, true, {}));
    ASSERT_TRUE(images->collect_garbage({}));
    expect_empty();
}

TEST_F(ImageIndexTest, that_lost_its_name_is_there_by_its_digest_and_goes_with_its_image) {
    IndexArchive archive;
    archive.add(own, "own").add(foreign, "foreign");
    ASSERT_TRUE(load(archive.tar()));
    const auto before = *images->find("multi:1");
    IndexArchive newer;
    newer.add(own, "newer").add(foreign, "newer, too");
    ASSERT_TRUE(load(newer.tar()));
    EXPECT_EQ(images->choices("multi:1")->index, newer.digest());
    EXPECT_EQ(images->list().size(), 2u);
    EXPECT_EQ(images->choices(archive.digest())->images.size(), 2u);
    auto deleted = images->remove(before->id, false, true, {});
    ASSERT_TRUE(deleted) << deleted.error().text;
    EXPECT_EQ(deleted->deleted.size(), 2u);
    ASSERT_TRUE(images->collect_garbage({}));
    EXPECT_EQ(layer_keys().size(), 2u);
    EXPECT_EQ(architectures("multi:1").size(), 2u);
}

TEST_F(ImageIndexTest, loses_its_images_one_by_one) {
    IndexArchive archive;
    archive.add(own, "own").add(foreign, "foreign").add("riscv64", "third");
    ASSERT_TRUE(load(archive.tar()));
    const auto all = images->choices("multi:1")->images;
    auto refused = images->remove(all[1]->id, true, true, {});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::conflict);
    EXPECT_TRUE(*images->remove_variant("multi:1", all[1]->id));
    EXPECT_EQ(architectures("multi:1"), (Names{own, "riscv64"}));
    // The main one: its names go over.
    EXPECT_TRUE(*images->remove_variant("multi:1", all[0]->id));
    EXPECT_EQ(architectures("multi:1"), Names{"riscv64"});
    EXPECT_EQ(architecture(*images->find("multi@" + archive.digest())), "riscv64");
    EXPECT_FALSE(*images->remove_variant("multi:1", all[2]->id));
    ASSERT_TRUE(images->collect_garbage({}));
    EXPECT_EQ(layer_keys().size(), 1u);
    open();
    EXPECT_EQ(architectures("multi:1"), Names{"riscv64"});
    ASSERT_TRUE(images->remove("multi:1", false, true, {}));
    ASSERT_TRUE(images->collect_garbage({}));
    expect_empty();
}

TEST_F(ImageIndexTest, is_not_removed_while_one_of_its_images_is_used) {
    IndexArchive archive;
    archive.add(own, "own").add(foreign, "foreign");
    ASSERT_TRUE(load(archive.tar()));
    const std::string other = images->choices("multi:1")->images[1]->id;
    auto refused = images->remove("multi:1", false, true, [&](const std::string& id) {
        return id == other ? std::string("container 1234") : std::string();
    });
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::conflict);
}

TEST_F(ImageIndexTest, is_saved_as_it_came_and_one_platform_alone) {
    IndexArchive archive;
    archive.add(own, "own").add(foreign, "foreign");
    ASSERT_TRUE(load(archive.tar()));
    auto whole = saved("multi:1"), one = saved("multi:1", {Json{{"os", "linux"}, {"architecture", foreign}}});
    ASSERT_TRUE(whole) << whole.error().text;
    ASSERT_TRUE(one) << one.error().text;
    ASSERT_TRUE(images->remove("multi:1", false, true, {}));
    ASSERT_TRUE(images->collect_garbage({}));
    expect_empty();
    ASSERT_TRUE(load(*whole));
    EXPECT_EQ(images->choices("multi:1")->index, archive.digest());
    EXPECT_EQ(architectures("multi:1"), (Names{own, foreign}));
    ASSERT_TRUE(images->remove("multi:1", false, true, {}));
    ASSERT_TRUE(load(*one));
    EXPECT_EQ(architectures("multi:1"), Names{foreign});
    EXPECT_EQ(images->choices("multi:1")->index, "");
}

TEST_F(ImageIndexTest, of_a_damaged_record_is_set_aside_and_its_files_stay) {
    IndexArchive archive;
    archive.add(own, "own").add(foreign, "foreign");
    ASSERT_TRUE(load(archive.tar()));
    auto object = store->list(store_kind)->front();
    object.body["indexes"][0]["variants"][0]["blobs"][0]["digest"] = "../../x";
    ASSERT_TRUE(store->put(store_kind, object));
    open();
    EXPECT_TRUE(images->list().empty());
    EXPECT_EQ(images->damage().size(), 1u);
    ASSERT_TRUE(images->collect_garbage({}));
    EXPECT_EQ(layer_keys().size(), 2u);
    ASSERT_TRUE(load(archive.tar()));
    EXPECT_EQ(architectures("multi:1").size(), 2u);
    EXPECT_TRUE(images->damage().empty());
}

TEST_F(ImageIndexTest, is_made_of_layers_that_are_here) {
    IndexArchive archive;
    archive.add(own, "own").add(foreign, "foreign");
    ASSERT_TRUE(load(archive.tar()));
    NewIndex index;
    index.tags = {"made:1"};
    auto& parts = images->parts();
    const auto all = images->choices("multi:1")->images;
    for (const auto& image : all) {
        const Record record = *parts.catalog.record(image->id);
        index.entries.push_back({*parts.blobs.read(image->id, 1u << 20),
                                 image->layer_sizes,
                                 {Json{{"mediaType", "application/vnd.oci.image.layer.v1.tar"},
                                       {"digest", record.blobs[0].digest},
                                       {"size", record.blobs[0].size}}},
                                 Json{{"os", "linux"}, {"architecture", architecture(image)}}});
    }
    auto made = images->add_index(index);
    ASSERT_TRUE(made) << made.error().text;
    EXPECT_EQ(images->choices("made:1")->index, *made);
    EXPECT_EQ(architectures("made:1"), (Names{own, foreign}));
    EXPECT_EQ(images->choices("multi:1")->index, archive.digest());
    EXPECT_EQ(images->list().size(), 1u);
    // All or nothing.
    index.entries[1].layers[0]["digest"] = "sha256:" + std::string(64, 'a');
    index.tags = {"never:1"};
    EXPECT_FALSE(images->add_index(index));
    EXPECT_FALSE(images->find("never:1"));
    index.tags = {"UPPER"};
    EXPECT_FALSE(images->add_index(index));
}

}  // namespace gantry::image
