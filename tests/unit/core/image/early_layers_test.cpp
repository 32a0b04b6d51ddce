// Layers unpacked while their archive still comes in, by the real driver.
#include "core/image/early_layers.hpp"

#include <sys/socket.h>

#include <thread>

#include "tests/unit/core/image/store_fixture.hpp"

namespace gantry::image {
namespace {

using test::DockerArchive;
using test::LayerBytes;
using test::TarMaker;

struct EarlyLayersTest : ImageStoreFixture {
    std::vector<std::string> unpacking() {
        std::vector<std::string> keys;
        for (const std::string& key : layer_keys())
            if (key.starts_with(unpack_prefix)) keys.push_back(key);
        return keys;
    }
    std::int64_t bytes_of(const std::string& key) {
        auto usage = layers->call("layer/1", "usage", Json{{"key", key}});
        return usage ? usage->result["bytes"].get<std::int64_t>() : 0;
    }
};

bool eventually(const std::function<bool()>& holds) {
    for (int i = 0; i < 3000; ++i) {
        if (holds()) return true;
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
}

// Two archives become one of two images.
std::string both(const DockerArchive& one, const DockerArchive& two) {
    TarMaker maker;
    Json manifest = Json::array();
    for (const DockerArchive* archive : {&one, &two}) {
        for (const LayerBytes& layer : archive->layers)
            maker.file(layer.diff_id().substr(7) + "/layer.tar", layer.stored);
        maker.file(archive->id().substr(7) + ".json", archive->config_text());
        manifest.push_back(archive->manifest()[0]);
    }
    return maker.file("manifest.json", manifest.dump()).done();
}

}  // namespace

TEST_F(EarlyLayersTest, a_layer_is_unpacked_before_the_archive_has_ended) {
    // The padding makes the compressed layer longer than what is looked at first.
    const std::string tar = TarMaker().file("etc/name", "early").done() + std::string(2 << 20, '\0');
    const DockerArchive archive{{LayerBytes(tar, test::gzip(tar))}};
    const std::string bytes = archive.tar();
    // All but what tells that this is a layer.
    const std::size_t rest = bytes.find(archive.id().substr(7) + ".json");
    ASSERT_NE(rest, std::string::npos);
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    UniqueFd in(ends[0]), out(ends[1]);
    Result<std::vector<std::string>> names = fail(Code::internal, "not loaded");
    std::thread loader([&] { names = images->load(out.get(), nullptr); });
    auto send = [&](std::string_view part) {
        while (!part.empty()) {
            const ssize_t n = ::send(in.get(), part.data(), part.size(), MSG_NOSIGNAL);
            if (n < 0) return;
            part.remove_prefix(static_cast<std::size_t>(n));
        }
    };
    send(std::string_view(bytes).substr(0, rest));
    EXPECT_TRUE(eventually([&] {
        const auto keys = unpacking();
        return keys.size() == 1 && bytes_of(keys.front()) == 5;
    })) << "nothing was unpacked while the archive came in";
    EXPECT_TRUE(images->list().empty());
    send(std::string_view(bytes).substr(rest));
    in.reset();
    loader.join();
    ASSERT_TRUE(names) << names.error().text;
    EXPECT_EQ(test::content_of(fs_of((*images->find("web:1"))->top_layer()) + "/etc/name"), "early");
    EXPECT_TRUE(unpacking().empty());
}

TEST_F(EarlyLayersTest, what_no_image_asks_for_is_thrown_away_whatever_it_is) {
    const DockerArchive archive{{simple_layer("f", "wanted")}};
    const std::string unwanted = TarMaker().file("g", "unwanted").done();
    for (const std::string& member :
         {unwanted, test::gzip(unwanted).substr(0, 20) + std::string(600, 'x'), TarMaker().file("../evil").done()}) {
        std::string tar = TarMaker().file("other/layer.tar", member).done();
        tar.resize(tar.size() - 1024);  // without its end: the archive follows
        auto names = load(tar + archive.tar());
        ASSERT_TRUE(names) << names.error().text;
        EXPECT_EQ(layer_keys().size(), 1u);
        ASSERT_TRUE(images->remove("web:1", false, true, [](const std::string&) { return std::string(); }));
        ASSERT_TRUE(images->collect_garbage({}));
        expect_empty();
    }
}

TEST_F(EarlyLayersTest, of_several_images_all_are_loaded_or_none) {
    DockerArchive one{{simple_layer("a", "1")}}, two{{simple_layer("b", "2")}};
    one.tags = Json::array({"one:1", "shared:1"});
    two.tags = Json::array({"two:1", "shared:1"});
    DockerArchive ambiguous = two, broken = two;
    ambiguous.tags = Json::array({"sha256:1"});
    broken.config = test::config_for(two.layers);
    broken.config["rootfs"]["diff_ids"][0] = "sha256:" + std::string(64, 'e');
    for (const DockerArchive& bad : {ambiguous, broken}) {
        ASSERT_FALSE(load(both(one, bad)));
        expect_empty();
    }
    auto names = load(both(one, two));
    ASSERT_TRUE(names) << names.error().text;
    EXPECT_EQ((*images->find("one:1"))->id, one.id());
    EXPECT_EQ((*images->find("shared:1"))->id, two.id()) << "the later one has it";
    EXPECT_EQ((*images->find("two:1"))->id, two.id());
    EXPECT_EQ((*images->find("one:1"))->tags, std::vector<std::string>{"one:1"});
    // And the other way round, with what is there.
    ASSERT_TRUE(load(both(two, one)));
    EXPECT_EQ((*images->find("shared:1"))->id, one.id());
    EXPECT_EQ((*images->find("two:1"))->tags, std::vector<std::string>{"two:1"});
    ASSERT_FALSE(load(both(one, ambiguous)));
    EXPECT_EQ((*images->find("shared:1"))->id, one.id());
    open();
    EXPECT_EQ((*images->find("shared:1"))->id, one.id());
    EXPECT_EQ(images->list().size(), 2u);
}

TEST_F(EarlyLayersTest, what_is_here_is_not_unpacked_again) {
    Pins pins;
    EarlyLayers early(LayerUnpacker(*layers), pins, [](const std::string&) { return true; });
    const std::string tar = TarMaker().file("f").done();
    EXPECT_EQ(early.begin("blobs/sha256/" + digest_of(tar).substr(7), scratch / "x", tar.substr(0, 512)), nullptr);
    EXPECT_EQ(early.begin("config.json", scratch / "x", std::string(512, '{')), nullptr);
    EXPECT_TRUE(unpacking().empty());
}

}  // namespace gantry::image
