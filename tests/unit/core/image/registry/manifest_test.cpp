#include "core/image/registry/manifest.hpp"

#include <gtest/gtest.h>

#include "core/image/digest.hpp"

namespace gantry::image::registry {
namespace {

const std::string a_digest = "sha256:" + std::string(64, 'a');

Json image() {
    return Json{{"schemaVersion", 2},
                {"mediaType", media::manifest},
                {"config", {{"mediaType", media::config}, {"digest", a_digest}, {"size", 10}}},
                {"layers",
                 {{{"mediaType", "application/vnd.oci.image.layer.v1.tar+gzip"}, {"digest", a_digest}, {"size", 5}}}}};
}

Json index() {
    return Json{{"schemaVersion", 2},
                {"mediaType", media::index},
                {"manifests",
                 {{{"mediaType", media::manifest},
                   {"digest", a_digest},
                   {"size", 5},
                   {"platform", {{"os", "linux"}, {"architecture", "arm64"}, {"variant", "v8"}}}}}}};
}

bool sound(const Json& json, std::string_view type = media::manifest) {
    return static_cast<bool>(parse_manifest(json.dump(), type));
}

TEST(Manifests, AnImage) {
    auto manifest = parse_manifest(image().dump(), "application/vnd.oci.image.manifest.v1+json; charset=utf-8");
    ASSERT_TRUE(manifest) << manifest.error().text;
    EXPECT_EQ(manifest->digest, digest_of(image().dump()));
    EXPECT_FALSE(manifest->is_index);
    ASSERT_EQ(manifest->layers.size(), 1u);
    EXPECT_EQ(manifest->layers[0].size, 5);
}

TEST(Manifests, AnIndex) {
    auto manifest = parse_manifest(index().dump(), media::index);
    ASSERT_TRUE(manifest) << manifest.error().text;
    ASSERT_TRUE(manifest->is_index);
    EXPECT_EQ(manifest->entries[0].platform.text(), "linux/arm64");
}

TEST(Manifests, HaveOneMeaningOnly) {
    Json both = image();
    both["manifests"] = Json::array();
    EXPECT_FALSE(sound(both));
    Json other = index();
    other["layers"] = Json::array();
    EXPECT_FALSE(sound(other, media::index));
    EXPECT_FALSE(sound(image(), media::index));
    EXPECT_FALSE(sound(index(), media::manifest));
    EXPECT_FALSE(sound(image(), media::docker_manifest));
    EXPECT_FALSE(sound(image(), "application/json"));
    EXPECT_FALSE(sound(image(), ""));
    Json bare = image();
    bare.erase("mediaType");
    EXPECT_TRUE(sound(bare));  // OCI leaves it out at times
    EXPECT_FALSE(sound(bare, media::docker_manifest));
    Json typed = image();
    typed["mediaType"] = 7;
    EXPECT_FALSE(sound(typed));
    const std::string text = image().dump();
    EXPECT_FALSE(parse_manifest("\xEF\xBB\xBF" + text, media::manifest));
    EXPECT_FALSE(parse_manifest(text + "{}", media::manifest));
    EXPECT_FALSE(parse_manifest(R"({"layers":[],)" + text.substr(1), media::manifest));
    EXPECT_FALSE(parse_manifest(R"({"Layers":[],)" + text.substr(1), media::manifest));
    EXPECT_FALSE(parse_manifest("[]", media::manifest));
    EXPECT_FALSE(parse_manifest("null", media::manifest));
    EXPECT_FALSE(parse_manifest("", media::manifest));
}

TEST(Manifests, SchemaOneIsOutOfUse) {
    auto old = parse_manifest(R"({"schemaVersion":1,"fsLayers":[]})",
                              "application/vnd.docker.distribution.manifest.v1+prettyjws");
    ASSERT_FALSE(old);
    EXPECT_EQ(old.error().code, Code::unsupported);
}

TEST(Manifests, DescriptorsAreChecked) {
    const Json digests = {"x",
                          "sha256:../../x",
                          "sha256:" + std::string(63, 'a'),
                          "sha256:" + std::string(65, 'a'),
                          "sha256:" + std::string(64, 'A'),
                          "sha512:" + std::string(128, 'a'),
                          "",
                          nullptr,
                          5};
    for (const Json& digest : digests) {
        Json bad = image();
        bad["layers"][0]["digest"] = digest;
        EXPECT_FALSE(sound(bad)) << digest;
        bad = image();
        bad["config"]["digest"] = digest;
        EXPECT_FALSE(sound(bad)) << digest;
        bad = index();
        bad["manifests"][0]["digest"] = digest;
        EXPECT_FALSE(sound(bad, media::index)) << digest;
    }
    for (const Json& size : {Json(-1), Json(1.5), Json("5"), Json(nullptr), Json(9223372036854775808u), Json(1e30)}) {
        Json bad = image();
        bad["layers"][0]["size"] = size;
        EXPECT_FALSE(sound(bad)) << size;
    }
    for (const char* key : {"config", "layers"}) {
        Json bad = image();
        bad[key] = nullptr;
        EXPECT_FALSE(sound(bad)) << key;
        bad.erase(key);
        EXPECT_FALSE(sound(bad)) << key;
    }
    Json huge = image();
    huge["config"]["size"] = (4 << 20) + 1;
    EXPECT_FALSE(sound(huge));
}

TEST(Manifests, HaveLimits) {
    Json many = image();
    for (int i = 0; i < 500; ++i) many["layers"].push_back(many["layers"][0]);
    EXPECT_FALSE(sound(many));
    Json wide = index();
    for (int i = 0; i < 1000; ++i) wide["manifests"].push_back(wide["manifests"][0]);
    EXPECT_FALSE(sound(wide, media::index));
}

TEST(Manifests, LayersFromElsewhereAndArtifactsAreRefused) {
    Json foreign = image();
    foreign["layers"][0]["mediaType"] = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
    foreign["layers"][0]["urls"] = {"https://elsewhere.example/"};
    EXPECT_FALSE(sound(foreign));
    Json artifact = image();
    artifact["config"]["mediaType"] = "application/vnd.cncf.helm.config.v1+json";
    EXPECT_FALSE(sound(artifact));
    Json layer = image();
    layer["layers"][0]["mediaType"] = "text/plain";
    EXPECT_FALSE(sound(layer));
}

}  // namespace
}  // namespace gantry::image::registry
