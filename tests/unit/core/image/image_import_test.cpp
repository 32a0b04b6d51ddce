#include "tests/unit/core/image/store_fixture.hpp"

namespace gantry::image {
namespace {

struct ImageImport : ImageStoreFixture {
    Result<std::string> import(const std::string& tar, const std::string& reference = "base",
                               const std::vector<std::string>& changes = {}, const Json& config = nullptr) {
        UniqueFd stream = test::stream_of(tar);
        return images->import(stream.get(), reference, changes, "a note", config, progress());
    }
};

}  // namespace

TEST_F(ImageImport, makes_one_layer_of_a_root_file_system) {
    const std::string tar = test::TarMaker().directory("bin").file("bin/sh", "shell").done();
    auto id = import(tar, "base:1", {"CMD /bin/sh", "ENV A=1"}, Json{{"Env", Json::array({"PATH=/bin"})}});
    ASSERT_TRUE(id) << id.error().text;
    auto image = images->find("base:1");
    ASSERT_TRUE(image);
    EXPECT_EQ((*image)->id, *id);
    EXPECT_EQ((*image)->config["config"]["Env"].dump(), R"(["PATH=/bin","A=1"])");
    EXPECT_EQ((*image)->config["rootfs"]["diff_ids"].dump(), "[\"" + digest_of(tar) + "\"]");
    EXPECT_EQ((*image)->config["history"][0]["comment"], "a note");
    EXPECT_EQ(test::content_of(fs_of((*image)->top_layer()) + "/bin/sh"), "shell");
}

TEST_F(ImageImport, takes_compressed_streams) {
    const std::string tar = test::TarMaker().file("f", "x").done();
    auto plain = import(tar, ""), gzip = import(test::gzip(tar), ""), zstd = import(test::zstd(tar), "");
    ASSERT_TRUE(plain && gzip && zstd);
    EXPECT_EQ((*images->find(*plain))->layers, (*images->find(*gzip))->layers);
    EXPECT_EQ((*images->find(*plain))->layers, (*images->find(*zstd))->layers);
    EXPECT_EQ(layer_keys().size(), 1u);
}

TEST_F(ImageImport, a_bad_stream_change_or_name_leaves_nothing) {
    const std::string tar = test::TarMaker().file("f", "x").done();
    EXPECT_FALSE(import(tar, "Bad"));
    EXPECT_FALSE(import(tar, "x", {"RUN ls"}));
    EXPECT_FALSE(import(""));
    EXPECT_FALSE(import("not a tar"));
    EXPECT_FALSE(import(test::TarMaker().file("../f", "x").done()));
    EXPECT_FALSE(import(tar.substr(0, 700)));
    EXPECT_FALSE(import(test::gzip(tar).substr(0, 60)));
    expect_empty();
}

TEST_F(ImageImport, is_reproducible_where_asked) {
    ::setenv("SOURCE_DATE_EPOCH", "1700000000", 1);
    const std::string tar = test::TarMaker().file("f", "x").done();
    auto first = import(tar, ""), second = import(tar, "");
    ::unsetenv("SOURCE_DATE_EPOCH");
    ASSERT_TRUE(first && second);
    EXPECT_EQ(*first, *second);
    EXPECT_EQ((*images->find(*first))->config["created"], "2023-11-14T22:13:20.000000000Z");
}

}  // namespace gantry::image
