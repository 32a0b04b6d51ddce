#include <gtest/gtest.h>

#include "core/archive/tar_reader.hpp"
#include "core/image/digest.hpp"
#include "core/image/shared_sizes.hpp"
#include "tests/unit/core/image/store_fixture.hpp"

namespace gantry::image {
namespace {

using test::DockerArchive;
using test::LayerBytes;
using test::OciArchive;
using test::TarMaker;

struct ImageSaveTest : ImageStoreFixture {
    Result<std::string> save(const std::vector<std::string>& names, const std::vector<Json>& platforms = {}) {
        std::string out;
        bool begun = false;
        auto done = images->save(names, platforms, [&] {
            begun = true;
            return [&](std::string_view bytes) -> Result<void> {
                out += bytes;
                return {};
            };
        });
        if (!done) {
            EXPECT_FALSE(begun);
            return done.error();
        }
        return out;
    }
    static std::map<std::string, std::string> members(const std::string& tar) {
        std::map<std::string, std::string> found;
        auto reader = archive::TarReader::create([&, at = std::size_t{0}](char* data, std::size_t size) mutable {
            const std::size_t n = std::min(size, tar.size() - at);
            tar.copy(data, n, at);
            at += n;
            return Result<std::size_t>(n);
        });
        while (auto member = (*reader)->next()) {
            if (!*member) break;
            std::string& text = found[(*member)->name];
            for (auto piece = (*reader)->data(); piece && !piece->empty(); piece = (*reader)->data()) text += *piece;
        }
        return found;
    }
};

class Bytes final : public ByteSource {
public:
    explicit Bytes(std::string text) : text_(std::move(text)) {}
    Result<std::size_t> read(char* data, std::size_t size) override {
        const std::size_t n = std::min(size, text_.size() - at_);
        text_.copy(data, n, at_);
        at_ += n;
        return n;
    }

private:
    std::string text_;
    std::size_t at_ = 0;
};

}  // namespace

TEST_F(ImageSaveTest, gives_back_what_was_loaded) {
    OciArchive archive{{simple_layer("f", "oci")}};
    ASSERT_TRUE(load(archive.tar()));
    const auto before = *images->find("oci:2");
    auto tar = save({"oci:2"});
    ASSERT_TRUE(tar) << tar.error().text;
    const auto parts = members(*tar);
    for (const auto& [name, bytes] : parts)
        if (name.starts_with("blobs/sha256/") && name.size() > 13) {
            EXPECT_EQ(digest_of(bytes), "sha256:" + name.substr(13));
        }
    EXPECT_TRUE(parts.contains("blobs/sha256/" + std::string(hex_of(before->repo_digests[0].substr(4)))));
    ASSERT_TRUE(images->remove("oci:2", false, true, {}));
    ASSERT_TRUE(images->collect_garbage({}));
    ASSERT_TRUE(load(*tar));
    const auto after = *images->find("oci:2");
    EXPECT_EQ(after->id, before->id);
    EXPECT_EQ(after->repo_digests, before->repo_digests);
    EXPECT_EQ(*save({"oci:2"}), *tar);
}

TEST_F(ImageSaveTest, writes_a_committed_layer_from_the_driver) {
    ASSERT_TRUE(load(DockerArchive{{simple_layer("f", "1")}}.tar()));
    Bytes layer(TarMaker().directory("d").file("d/new", "content").done());
    CommitRequest request;
    request.base = (*images->find("web:1"))->id;
    request.config = {{"Cmd", {"/new"}}};
    request.reference = "made";
    request.comment = "why";
    auto id = images->commit(&layer, request);
    ASSERT_TRUE(id) << id.error().text;
    const auto image = *images->find("made");
    EXPECT_EQ(image->id, *id);
    ASSERT_EQ(image->layers.size(), 2u);
    EXPECT_EQ(image->config["history"].back()["comment"], "why");
    EXPECT_EQ(test::content_of(fs_of(image->top_layer()) + "/d/new"), "content");
    auto tar = save({"made"});
    // This layer did not come from the driver: written anew its bytes may be others, which must be told.
    if (!tar) {
        EXPECT_EQ(tar.error().code, Code::corrupt);
        return;
    }
    EXPECT_TRUE(members(*tar).contains("blobs/sha256/" +
                                       std::string(hex_of(image->config["rootfs"]["diff_ids"][1].get<std::string>()))));
}

TEST_F(ImageSaveTest, commits_without_a_layer_and_refuses_a_base_that_is_gone) {
    ASSERT_TRUE(load(DockerArchive{{simple_layer("f", "1")}}.tar()));
    CommitRequest request;
    request.base = (*images->find("web:1"))->id;
    request.config = Json::object();
    auto id = images->commit(nullptr, request);
    ASSERT_TRUE(id);
    EXPECT_EQ((*images->find(*id))->layers, (*images->find("web:1"))->layers);
    EXPECT_EQ((*images->find(*id))->config["history"].back()["empty_layer"], true);
    request.base = "sha256:" + std::string(64, '0');
    EXPECT_EQ(images->commit(nullptr, request).error().code, Code::not_found);
}

TEST_F(ImageSaveTest, says_what_is_not_there_before_it_begins) {
    EXPECT_EQ(save({"none:1"}).error().text, "No such image: none:1");
    EXPECT_EQ(save({}).error().code, Code::invalid);
    ASSERT_TRUE(load(DockerArchive{{simple_layer("f", "1")}}.tar()));
    EXPECT_EQ(save({"web:1"}, {{{"os", "linux"}, {"architecture", "s390x"}}}).error().code, Code::not_found);
    EXPECT_TRUE(save({"web:1"}, {{{"os", "linux"}}}));
}

TEST_F(ImageSaveTest, counts_shared_layers_and_use) {
    const LayerBytes base = simple_layer("base", std::string(100, 'b'));
    DockerArchive one{{base, simple_layer("one", std::string(10, '1'))}}, two{{base, simple_layer("two", "22")}};
    one.tags = Json::array({"one:1"});
    two.tags = Json::array({"two:1"});
    ASSERT_TRUE(load(one.tar()));
    ASSERT_TRUE(load(two.tar()));
    const SharedSizes sizes(images->list());
    EXPECT_EQ(sizes.total(), 112);
    EXPECT_EQ(sizes.shared(**images->find("one:1")), 100);

    const std::string id = (*images->find("one:1"))->id;
    const std::int64_t came = images->last_used(id);
    EXPECT_GT(came, 0);
    images->mark_used(id);
    const std::int64_t used = images->last_used(id);
    EXPECT_GT(used, came);
    EXPECT_EQ(images->last_used("sha256:" + std::string(64, '0')), 0);
    ASSERT_TRUE(images->tag("two:1", "two:2"));
    open();
    EXPECT_EQ(images->last_used(id), used);
}

}  // namespace gantry::image
