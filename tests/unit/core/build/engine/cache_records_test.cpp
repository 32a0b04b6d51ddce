#include "core/build/cache_records.hpp"

#include <gtest/gtest.h>

#include <gantry/json.hpp>

#include "core/build/cache_from.hpp"
#include "core/image/digest.hpp"

namespace gantry::build {
namespace {

std::string digest(const std::string& of) { return image::digest_of(of); }

CacheDocument two_layers() {
    CacheDocument document;
    document.layers.push_back({"", digest("one"), 10, {"application/vnd.oci.image.layer.v1.tar+gzip", digest("a"), 5}});
    document.layers.push_back(
        {document.layers[0].key(), digest("two"), 20, {"application/vnd.oci.image.layer.v1.tar+zstd", digest("b"), 6}});
    document.records.push_back({digest("k1"), 0, "RUN one", 1});
    document.records.push_back({digest("k2"), 1, "RUN two", 2});
    document.records.push_back({digest("k3"), 1, "RUN \xff", 2});
    return document;
}

TEST(CacheRecords, what_is_written_is_read_again) {
    const CacheDocument document = two_layers();
    const std::string config = write_cache_config(document);
    const std::string text = write_cache_manifest(document, config);
    EXPECT_EQ(config, write_cache_config(two_layers()));
    auto kind = cache_kind_of(text);
    ASSERT_TRUE(kind) << kind.error().text;
    EXPECT_EQ(*kind, CacheKind::own);
    auto manifest = read_cache_manifest(text);
    ASSERT_TRUE(manifest) << manifest.error().text;
    EXPECT_EQ(manifest->config.digest, digest(config));
    ASSERT_EQ(manifest->layers.size(), 2u);
    auto read = read_cache_config(config, *manifest);
    ASSERT_TRUE(read) << read.error().text;
    ASSERT_EQ(read->layers.size(), 2u);
    EXPECT_EQ(read->layers[1].key(), image::chain_id(digest("one"), digest("two")));
    EXPECT_EQ(read->layers[1].blob.media_type, "application/vnd.oci.image.layer.v1.tar+zstd");
    EXPECT_EQ(read->layers[1].blob.size, 6);
    ASSERT_EQ(read->records.size(), 3u);
    EXPECT_EQ(read->records[1].key, digest("k2"));
    EXPECT_EQ(read->records[1].layer, 1u);
    EXPECT_EQ(read->records[1].created_ns, 2);
    auto index = read_cache_index(write_cache_index(text));
    ASSERT_TRUE(index) << index.error().text;
    EXPECT_EQ(index->digest, digest(text));
}

TEST(CacheRecords, one_blob_of_two_layers_is_named_once) {
    CacheDocument document = two_layers();
    document.layers[1].blob = document.layers[0].blob;
    auto manifest = read_cache_manifest(write_cache_manifest(document, write_cache_config(document)));
    ASSERT_TRUE(manifest);
    EXPECT_EQ(manifest->layers.size(), 1u);
}

// Each change alone makes the config unreadable, in one line.
TEST(CacheRecords, damage_is_told_of) {
    const CacheDocument document = two_layers();
    const std::string good = write_cache_config(document);
    const auto manifest = read_cache_manifest(write_cache_manifest(document, good));
    ASSERT_TRUE(manifest);
    auto refused = [&](auto change) {
        Json json = Json::parse(good);
        change(json);
        auto read = read_cache_config(json.dump(), *manifest);
        return !read && read.error().text.find('\n') == std::string::npos;
    };
    EXPECT_FALSE(refused([](Json&) {}));
    EXPECT_TRUE(refused([](Json& j) { j["version"] = 2; }));
    EXPECT_TRUE(refused([](Json& j) { j = Json::array(); }));
    EXPECT_TRUE(refused([](Json& j) { j.erase("layers"); }));
    EXPECT_TRUE(refused([](Json& j) { j["layers"][0]["diff_id"] = "sha256:../../etc"; }));
    EXPECT_TRUE(refused([](Json& j) { j["layers"][0]["parent"] = "x"; }));
    EXPECT_TRUE(refused([](Json& j) { j["layers"][0]["size"] = -1; }));
    EXPECT_TRUE(refused([](Json& j) { j["layers"][0]["size"] = 1.5; }));
    EXPECT_TRUE(refused([](Json& j) { j["layers"][0]["blob"] = digest("another"); }));
    EXPECT_TRUE(refused([](Json& j) { j["layers"].push_back(j["layers"][0]); }));
    EXPECT_TRUE(refused([](Json& j) { j["records"][0]["layer"] = 2; }));
    EXPECT_TRUE(refused([](Json& j) { j["records"][0]["layer"] = "0"; }));
    EXPECT_TRUE(refused([](Json& j) { j["records"][0]["key"] = "k"; }));
    EXPECT_TRUE(refused([](Json& j) { j["records"][0]["description"] = std::string(2000, 'x'); }));
    EXPECT_TRUE(refused([](Json& j) { j["records"][0].erase("created"); }));
    EXPECT_FALSE(read_cache_config("{\"version\":1,\"version\":1,\"layers\":[],\"records\":[]}", *manifest));
}

TEST(CacheRecords, other_manifests_are_told_apart) {
    auto kind = [](const Json& json) { return cache_kind_of(json.dump()); };
    auto image = kind({{"config", {{"mediaType", "application/vnd.oci.image.config.v1+json"}}}});
    ASSERT_TRUE(image);
    EXPECT_EQ(*image, CacheKind::image);
    EXPECT_EQ(*kind({{"manifests", Json::array()}}), CacheKind::image);
    const Json foreign{{"mediaType", "application/vnd.buildkit.cacheconfig.v0"}};
    EXPECT_EQ(kind({{"config", foreign}}).error().code, Code::unsupported);
    EXPECT_EQ(kind({{"manifests", {foreign}}}).error().code, Code::unsupported);
    EXPECT_EQ(kind({{"config", {{"mediaType", "text/plain"}}}}).error().code, Code::invalid);
    EXPECT_FALSE(cache_kind_of("[]"));
    EXPECT_FALSE(read_cache_manifest(Json{{"manifests", Json::array()}}.dump()));
}

TEST(CacheWishes, attributes_are_read_or_refused) {
    auto from = [](const Json& one) { return read_cache_wishes({one}, {}); };
    auto to = [](const Json& one) { return read_cache_wishes({}, {one}); };
    auto max = to({{"type", "registry"}, {"ref", "host:1/a:b"}, {"mode", "max"}, {"ignore-error", "true"}});
    ASSERT_TRUE(max) << max.error().text;
    ASSERT_EQ(max->to.size(), 1u);
    EXPECT_TRUE(max->to[0].whole && max->to[0].ignore_error);
    EXPECT_EQ(max->to[0].reference, "host:1/a:b");
    auto inline_ = read_cache_wishes({}, {Json{{"type", "inline"}}, Json{{"type", "local"}, {"dest", "/x"}}});
    ASSERT_TRUE(inline_);
    EXPECT_TRUE(inline_->in_image);
    EXPECT_EQ(inline_->to[0].index, 1u);
    for (const Json& bad :
         {Json{{"type", "local"}}, Json{{"type", "local"}, {"src", "/x"}, {"mode", "max"}}, Json{{"type", "inline"}},
          Json{{"type", "registry"}, {"ref", "A:b"}}, Json{{"type", "registry"}, {"ref", 1}}, Json("x"), Json()})
        EXPECT_FALSE(from(bad)) << bad.dump();
    for (const Json& bad :
         {Json{{"type", "local"}, {"src", "/x"}}, Json{{"type", "local"}, {"dest", "/x"}, {"mode", "all"}},
          Json{{"type", "local"}, {"dest", "/x"}, {"ignore-error", ""}}, Json{{"type", "inline"}, {"mode", "max"}},
          Json{{"type", "gha"}}, Json{{"type", "local"}, {"dest", "/x"}, {"dset", "/y"}}})
        EXPECT_FALSE(to(bad)) << bad.dump();
}

}  // namespace
}  // namespace gantry::build
