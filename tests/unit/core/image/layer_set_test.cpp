// Layers unpacked side by side, by the real drivers.
#include "core/image/layer_set.hpp"

#include <gtest/gtest.h>

#include <condition_variable>

#include "core/image/digest.hpp"
#include "tests/unit/core/image/store_fixture.hpp"

namespace gantry::image {
namespace {

using test::TarMaker;

// Bytes from memory; `before` is called once, when the first are wanted.
class Memory final : public ByteSource {
public:
    Memory(std::string bytes, std::function<Result<void>()> before)
        : bytes_(std::move(bytes)), before_(std::move(before)) {}
    Result<std::size_t> read(char* data, std::size_t size) override {
        if (before_) GANTRY_CHECK(std::exchange(before_, nullptr)());
        const std::size_t n = std::min(size, bytes_.size() - at_);
        std::copy_n(bytes_.data() + at_, n, data);
        at_ += n;
        return n;
    }

private:
    std::string bytes_;
    std::function<Result<void>()> before_;
    std::size_t at_ = 0;
};

struct LayerSetTest : ::testing::Test {
    test::Scratch scratch;
    std::unique_ptr<driver::Registry> drivers;
    std::shared_ptr<driver::Driver> layers;
    Pins pins;
    std::vector<std::string> committed;
    std::atomic<int> opened = 0;

    void SetUp() override {
        REQUIRE_ROOT();
        use("overlayfs");
    }
    void use(const std::string& name) {
        layers.reset();
        drivers = test::registry_with(scratch, name);
        auto found = drivers->get(driver::Kind::layer, name);
        ASSERT_TRUE(found) << found.error().text;
        layers = *found;
    }
    LayerInput input(const std::string& tar, std::function<Result<void>()> before = {}) {
        return {digest_of(tar), [this, tar, before]() -> Result<std::unique_ptr<ByteSource>> {
                    ++opened;
                    return std::unique_ptr<ByteSource>(std::make_unique<Memory>(tar, before));
                }};
    }
    std::vector<LayerInput> many(int count) {
        std::vector<LayerInput> inputs;
        for (int i = 0; i < count; ++i)
            inputs.push_back(input(TarMaker().file("d/f" + std::to_string(i), std::to_string(i)).done()));
        return inputs;
    }
    Result<std::vector<LayerOutput>> unpack(const std::vector<LayerInput>& inputs, std::size_t jobs) {
        committed.clear();
        Pins::Hold hold(pins);
        LayerSet::Told told;
        told.committed = [&](std::size_t, const LayerOutput& output, std::int64_t) { committed.push_back(output.key); };
        return LayerSet(LayerUnpacker(*layers), pins, jobs).unpack(inputs, hold, told);
    }
    std::set<std::string> keys() {
        return layers->call("layer/1", "list", Json::object())->result["keys"].get<std::set<std::string>>();
    }
    std::string parent_of(const std::string& key) {
        return layers->call("layer/1", "stat", Json{{"key", key}})->result["parent"];
    }
};

}  // namespace

TEST_F(LayerSetTest, commits_in_order_whatever_the_driver_and_the_number_at_once) {
    for (const char* name : {"overlayfs", "copy"}) {
        use(name);
        for (std::size_t jobs : {1u, 4u}) {
            auto outputs = unpack(many(20), jobs);
            ASSERT_TRUE(outputs) << outputs.error().text;
            ASSERT_EQ(outputs->size(), 20u);
            ASSERT_EQ(committed.size(), 20u);
            std::string below;
            for (std::size_t i = 0; i < 20; ++i) {
                EXPECT_EQ((*outputs)[i].key, committed[i]);
                EXPECT_EQ(parent_of(committed[i]), below);
                EXPECT_TRUE((*outputs)[i].fresh);
                EXPECT_EQ((*outputs)[i].usage_bytes, i < 10 ? 1 : 2);
                below = committed[i];
            }
            EXPECT_EQ(keys().size(), 20u);
            for (auto key = committed.rbegin(); key != committed.rend(); ++key)
                ASSERT_TRUE(layers->call("layer/1", "remove", Json{{"key", *key}}));
        }
    }
}

TEST_F(LayerSetTest, an_upper_layer_does_not_wait_for_a_lower_one) {
    std::mutex mutex;
    std::condition_variable changed;
    bool upper_read = false;
    auto wait = [&]() -> Result<void> {
        std::unique_lock lock(mutex);
        if (!changed.wait_for(lock, std::chrono::seconds(20), [&] { return upper_read; }))
            return fail(Code::deadline, "the upper layer was not begun");
        return {};
    };
    auto tell = [&]() -> Result<void> {
        std::lock_guard lock(mutex);
        upper_read = true;
        changed.notify_all();
        return {};
    };
    auto outputs = unpack({input(TarMaker().file("a").done(), wait), input(TarMaker().file("b").done(), tell)}, 2);
    ASSERT_TRUE(outputs) << outputs.error().text;
    EXPECT_EQ(parent_of((*outputs)[1].key), (*outputs)[0].key);
}

TEST_F(LayerSetTest, what_is_there_is_not_read_again) {
    auto first = many(3), all = many(5);
    ASSERT_TRUE(unpack(first, 2));
    opened = 0;
    auto outputs = unpack(all, 2);
    ASSERT_TRUE(outputs) << outputs.error().text;
    EXPECT_EQ(opened, 2);
    EXPECT_EQ(committed.size(), 2u);
    EXPECT_FALSE((*outputs)[2].fresh);
    EXPECT_TRUE((*outputs)[3].fresh);
}

TEST_F(LayerSetTest, one_bad_layer_stops_all_and_leaves_no_working_layer) {
    for (int bad : {0, 3, 7}) {
        auto inputs = many(8);
        inputs[static_cast<std::size_t>(bad)].diff_id = "sha256:" + std::string(64, 'e');
        auto outputs = unpack(inputs, 4);
        ASSERT_FALSE(outputs);
        EXPECT_NE(outputs.error().text.find("has the digest"), std::string::npos) << outputs.error().text;
        EXPECT_LE(committed.size(), static_cast<std::size_t>(bad));
        EXPECT_EQ(keys().size(), committed.size());
        for (auto key = committed.rbegin(); key != committed.rend(); ++key)
            ASSERT_TRUE(layers->call("layer/1", "remove", Json{{"key", *key}}));
    }
}

TEST_F(LayerSetTest, a_source_that_fails_says_why) {
    auto inputs = many(2);
    inputs.push_back(input(TarMaker().file("x").done(),
                           []() -> Result<void> { return fail(Code::unavailable, "the registry has gone away"); }));
    auto outputs = unpack(inputs, 3);
    ASSERT_FALSE(outputs);
    EXPECT_EQ(outputs.error().code, Code::unavailable);
    EXPECT_NE(outputs.error().text.find("the registry has gone away"), std::string::npos);
    EXPECT_EQ(keys().size(), committed.size());
}

}  // namespace gantry::image
