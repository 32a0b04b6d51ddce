// Hostile and honest image archives, before anything is unpacked (SECURITY-CATALOGUE S46 to S50, S55).
#include "core/image/archive_plan.hpp"

#include <gtest/gtest.h>

#include "tests/unit/core/image/image_archive.hpp"
#include "tests/unit/plugins/storage/scratch.hpp"

namespace gantry::image {
namespace {

using test::DockerArchive;
using test::LayerBytes;
using test::OciArchive;
using test::TarMaker;

struct ArchivePlan : ::testing::Test {
    test::Scratch scratch;
    std::optional<Spool> spool;

    Result<std::vector<PlannedImage>> plan(const std::string& tar) {
        spool.reset();
        GANTRY_TRY(auto blobs, BlobStore::open(scratch.path()));
        auto source = source_of(test::stream_of(tar));
        GANTRY_TRY(spool, Spool::read(*source, blobs));
        return plan_archive(*spool);
    }
    void refused(const std::string& tar, const std::string& says) {
        auto images = plan(tar);
        ASSERT_FALSE(images) << says;
        EXPECT_NE(images.error().text.find(says), std::string::npos) << images.error().text;
    }
    static DockerArchive docker() {
        return {{LayerBytes(TarMaker().file("a").done()), LayerBytes(TarMaker().file("b").done())}};
    }
    static OciArchive oci() { return {{LayerBytes(TarMaker().file("a").done())}}; }
};

}  // namespace

TEST_F(ArchivePlan, reads_docker_archives_in_any_order) {
    DockerArchive archive = docker();
    for (bool first : {false, true}) {
        archive.manifest_first = first;
        auto images = plan(archive.tar());
        ASSERT_TRUE(images) << images.error().text;
        ASSERT_EQ(images->size(), 1u);
        EXPECT_EQ(images->front().id, archive.id());
        EXPECT_EQ(images->front().tags, std::vector<std::string>{"web:1"});
        EXPECT_EQ(images->front().layers.size(), 2u);
    }
}

TEST_F(ArchivePlan, reads_oci_layouts_also_nested_ones) {
    OciArchive archive = oci();
    auto images = plan(archive.tar());
    ASSERT_TRUE(images) << images.error().text;
    EXPECT_EQ(images->front().tags, std::vector<std::string>{"oci:2"});
    EXPECT_TRUE(valid_digest(images->front().manifest));
    OciArchive nested = oci();
    Json manifest = nested.blob(OciArchive::manifest_type, nested.manifest().dump());
    manifest["platform"] = {{"os", "linux"}, {"architecture", host_architecture()}};
    Json other = OciArchive::descriptor(OciArchive::manifest_type, "not in the archive");
    other["platform"] = {{"os", "linux"}, {"architecture", "s390x"}};
    Json inner = nested.blob(OciArchive::index_type,
                             Json{{"schemaVersion", 2}, {"manifests", Json::array({other, manifest})}}.dump());
    images = plan(nested.tar(nested.index_of(inner)));
    ASSERT_TRUE(images) << images.error().text;
    EXPECT_EQ(images->size(), 1u);
}

TEST_F(ArchivePlan, follows_links_between_layers_as_old_archives_have_them) {
    DockerArchive archive = docker();
    Json manifest = archive.manifest();
    manifest[0]["Layers"] = Json::array({"x/layer.tar", archive.layers[1].diff_id().substr(7) + "/layer.tar"});
    const std::string target = "../" + archive.layers[0].diff_id().substr(7) + "/layer.tar";
    auto images = plan(TarMaker().symlink("x/layer.tar", target).raw(archive.tar(manifest)).done());
    ASSERT_TRUE(images) << images.error().text;
    EXPECT_EQ(images->front().layers[0].file->digest(), archive.layers[0].diff_id());
}

TEST_F(ArchivePlan, refuses_bad_members) {
    const std::string good = docker().tar();
    refused(TarMaker().file("../evil").raw(good).done(), "forbidden name");
    refused(TarMaker().file("a/../../evil").raw(good).done(), "forbidden name");
    refused(TarMaker().add({"pipe", '6'}).raw(good).done(), "neither a file nor a link");
    refused(TarMaker().file("blobs/sha256/" + std::string(64, 'a'), "x").raw(good).done(), "has the digest");
    refused(TarMaker().file("blobs/sha256/../../x", "x").raw(good).done(), "forbidden name");
    refused(good.substr(0, good.size() / 2), "tar");
    refused("no archive at all", "archive");
    refused(TarMaker().file("x").done(), "neither \"manifest.json\" nor \"index.json\"");
    refused(TarMaker().symlink("manifest.json", "/etc/passwd").file(".", "x").done(), "neither");
    refused(TarMaker().symlink("a", "b").symlink("b", "a").symlink("manifest.json", "a").done(), "neither");
}

TEST_F(ArchivePlan, refuses_bad_docker_manifests) {
    const DockerArchive archive = docker();
    auto bent = [&](auto bend) {
        Json manifest = archive.manifest();
        bend(manifest);
        return archive.tar(manifest);
    };
    refused(archive.tar(Json::object()), "not an array");
    refused(archive.tar(Json::array()), "not an array of images");
    refused(archive.tar(Json::array({nullptr})), "not an object");
    refused(bent([](Json& m) { m[0]["Config"] = "../../etc/passwd"; }), "has no");
    refused(bent([](Json& m) { m[0]["Config"] = 7; }), "has no");
    refused(bent([](Json& m) { m[0]["Layers"].erase(0); }), "1 layers, but the config lists 2");
    refused(bent([](Json& m) { m[0]["Layers"][0] = "/etc/passwd"; }), "has no");
    refused(bent([](Json& m) { m[0]["Layers"] = nullptr; }), "0 layers");
    refused(bent([](Json& m) { m[0]["RepoTags"][0] = "../x:1"; }), "is not a reference");
    refused(bent([](Json& m) { m[0]["RepoTags"][0] = "Web:1"; }), "is not a reference");
}

TEST_F(ArchivePlan, refuses_bad_configs) {
    auto bent = [&](auto bend) {
        DockerArchive archive = docker();
        archive.config = test::config_for(archive.layers);
        bend(archive.config);
        return archive.tar();
    };
    refused(bent([](Json& c) { c = Json::array(); }), "not an object");
    refused(bent([](Json& c) { c["rootfs"]["diff_ids"][0] = "sha256:../../x"; }), "is not a sha256 digest");
    refused(bent([](Json& c) { c["rootfs"] = "x"; }), "\"rootfs\" is not an object");
    refused(bent([](Json& c) { c["config"]["Cmd"] = 1; }), "\"Cmd\" is not an array");
    refused(bent([](Json& c) { c["config"]["Env"] = Json::array({1}); }), "not a string");
    refused(bent([](Json& c) { c["config"]["Labels"] = {{"a", 1}}; }), "not a string");
    refused(bent([](Json& c) { c["os"] = "windows"; }), "windows");
    refused(bent([](Json& c) { c["layers"] = Json::array(); }), "something else");
    refused(bent([](Json& c) { c["history"] = "x"; }), "\"history\" is not an array");
    refused(bent([](Json& c) { c["Config"] = Json::object(); }), "has \"config\" twice");
    refused(bent([](Json& c) {
                for (int i = 0; i < 600; ++i) c["rootfs"]["diff_ids"].push_back("sha256:" + std::string(64, 'a'));
            }),
            "more than 500 layers");
}

TEST_F(ArchivePlan, refuses_bad_oci_layouts) {
    auto with_manifest = [&](auto bend) {
        OciArchive archive = oci();
        Json manifest = archive.manifest();
        bend(manifest);
        Json descriptor = archive.blob(OciArchive::manifest_type, manifest.dump());
        return archive.tar(archive.index_of(descriptor));
    };
    auto with_index = [&](auto bend) {
        OciArchive archive = oci();
        Json index = archive.index_of(archive.blob(OciArchive::manifest_type, archive.manifest().dump()));
        bend(index);
        return archive.tar(index);
    };
    refused(with_manifest([](Json& m) { m["manifests"] = Json::array(); }), "both \"layers\" and \"manifests\"");
    refused(with_manifest([](Json& m) { m["mediaType"] = OciArchive::index_type; }), "calls itself");
    refused(with_manifest([](Json& m) { m["config"]["size"] = 1; }), "bytes, not 1");
    refused(with_manifest([](Json& m) { m["layers"][0]["size"] = -1; }), "bytes, not -1");
    refused(with_manifest([](Json& m) { m["layers"][0]["digest"] = "sha256:../x"; }), "not a sha256 digest");
    refused(with_manifest([](Json& m) { m["layers"][0]["digest"] = "sha256:" + std::string(64, 'b'); }), "has no blob");
    refused(with_manifest([](Json& m) { m["layers"] = Json::array(); }), "0 layers");
    refused(with_manifest([](Json& m) { m.erase("config"); }), "no \"config\"");
    refused(with_index([](Json& i) { i["layers"] = Json::array(); }), "both");
    refused(with_index([](Json& i) { i["manifests"] = 1; }), "no array");
    refused(with_index([](Json& i) { i["manifests"] = Json::array(); }), "no image for");
    refused(with_index([](Json& i) { i["Manifests"] = Json::array(); }), "twice");
    refused(with_index([](Json& i) {
                i["manifests"][0]["platform"] = {{"os", "linux"}, {"architecture", "s390x"}};
            }),
            "no image for");
    OciArchive deep = oci();
    Json descriptor = deep.blob(OciArchive::manifest_type, deep.manifest().dump());
    for (int i = 0; i < 6; ++i)
        descriptor = deep.blob(OciArchive::index_type, Json{{"manifests", Json::array({descriptor})}}.dump());
    refused(deep.tar(deep.index_of(descriptor)), "nested deeper");
    OciArchive wide = oci();
    Json many = Json::array();
    Json leaf = wide.blob(OciArchive::manifest_type, wide.manifest().dump());
    for (int i = 0; i < 600; ++i) many.push_back(leaf);
    Json inner = wide.blob(OciArchive::index_type, Json{{"manifests", many}}.dump());
    inner["annotations"] = {{"org.opencontainers.image.ref.name", "a:1"}};
    Json second = inner;
    second["annotations"] = {{"org.opencontainers.image.ref.name", "a:2"}};
    refused(wide.tar(Json{{"manifests", Json::array({inner, second})}}), "more than 1000 manifests");
}

}  // namespace gantry::image
