#include "core/daemon/events.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include "core/base/clock.hpp"
#include "core/base/text.hpp"
#include "tests/unit/core/store/scratch.hpp"

using namespace gantry;
using namespace gantry::daemon;
using gantry::test::Scratch;

namespace {

// A client whose speed the test decides.
class FakeStream final : public http::Stream {
public:
    struct Seen {
        std::mutex mutex;
        std::vector<Json> events;
        std::atomic<bool> slow = false, gone = false, ended = false;
        std::function<void()> on_gone;
        std::size_t count() {
            std::lock_guard lock(mutex);
            return events.size();
        }
    };
    explicit FakeStream(std::shared_ptr<Seen> seen) : seen_(std::move(seen)) {}
    ~FakeStream() override { seen_->ended = true; }
    Result<void> write(std::string_view data) override {
        if (seen_->gone) return fail(Code::cancelled, "gone");
        std::lock_guard lock(seen_->mutex);
        seen_->events.push_back(Json::parse(data));
        return {};
    }
    bool client_gone() const override { return seen_->gone; }
    void on_client_gone(std::function<void()> gone) override { seen_->on_gone = std::move(gone); }
    std::size_t pending() const override { return seen_->slow ? http::stream_room : 0; }

private:
    std::shared_ptr<Seen> seen_;
};

template <typename F>
bool becomes_true(F condition) {
    for (int i = 0; i < 3000; ++i) {
        if (condition()) return true;
        ::usleep(10'000);
    }
    return false;
}

class Events : public ::testing::Test {
protected:
    void SetUp() override {
        auto opened = store::Store::open(scratch_ / "store.db");
        ASSERT_TRUE(opened);
        store_ = std::move(opened).value();
        bus_ = std::make_unique<EventBus>(*store_, 10'000);
    }
    std::shared_ptr<FakeStream::Seen> listen(EventBus::Subscription wish = {}) {
        auto seen = std::make_shared<FakeStream::Seen>();
        EXPECT_TRUE(bus_->subscribe(std::make_shared<FakeStream>(seen), std::move(wish)));
        return seen;
    }
    Scratch scratch_;
    std::unique_ptr<store::Store> store_;
    std::unique_ptr<EventBus> bus_;
};

}  // namespace

TEST_F(Events, reach_every_listener_in_dockers_form) {
    auto a = listen(), b = listen();
    bus_->publish("container", "start", "c1", {{"name", "web"}, {"image", "debian"}});
    ASSERT_TRUE(becomes_true([&] { return a->count() == 1 && b->count() == 1; }));
    const Json event = a->events[0];
    EXPECT_EQ(event["Type"], "container");
    EXPECT_EQ(event["Action"], "start");
    EXPECT_EQ(event["Actor"], Json({{"ID", "c1"}, {"Attributes", {{"name", "web"}, {"image", "debian"}}}}));
    EXPECT_EQ(event["scope"], "local");
    EXPECT_EQ(event["status"], "start");
    EXPECT_EQ(event["id"], "c1");
    EXPECT_EQ(event["from"], "debian");
    EXPECT_EQ(event["time"], event["timeNano"].get<std::int64_t>() / 1'000'000'000);
}

TEST_F(Events, are_replayed_from_the_store_and_then_go_on_without_gap_or_overlap) {
    for (int i = 0; i < 100; ++i) bus_->publish("container", "e" + std::to_string(i), "c", Json::object());
    bus_->flush();
    bus_.reset();
    bus_ = std::make_unique<EventBus>(*store_, 10'000);
    std::thread more([&] {
        for (int i = 100; i < 300; ++i) bus_->publish("container", "e" + std::to_string(i), "c", Json::object());
    });
    auto seen = listen({.since_ns = 1});
    more.join();
    ASSERT_TRUE(becomes_true([&] { return seen->count() == 300; })) << seen->count();
    for (std::size_t i = 0; i < 300; ++i) EXPECT_EQ(seen->events[i]["Action"], "e" + std::to_string(i));
    bus_->flush();
    const auto stored = store_->events_since(0);
    ASSERT_EQ(stored->size(), 300u);
    EXPECT_EQ(stored->back().seq, 300);
}

TEST_F(Events, end_at_the_time_that_was_asked_for) {
    bus_->publish("container", "before", "c", Json::object());
    bus_->flush();
    auto past = listen({.since_ns = 1, .until_ns = wall_clock_ns()});
    ASSERT_TRUE(becomes_true([&] { return past->ended.load(); }));
    EXPECT_EQ(past->count(), 1u);
    auto future = listen({.until_ns = wall_clock_ns() + 100'000'000});
    bus_->publish("container", "during", "c", Json::object());
    ASSERT_TRUE(becomes_true([&] { return future->ended.load(); }));
    EXPECT_EQ(future->count(), 1u);
    EXPECT_TRUE(becomes_true([&] { return bus_->subscribers() == 0; }));
}

TEST_F(Events, wait_in_the_store_for_a_slow_listener) {
    auto seen = listen();
    auto filtered = listen({.filters = {{"event", {"7", "5000"}}}});
    seen->slow = filtered->slow = true;
    for (int i = 0; i < 5000; ++i) bus_->publish("container", std::to_string(i), "c", Json::object());
    bus_->flush();
    EXPECT_EQ(seen->count(), 0u);
    std::thread more([&] {
        for (int i = 5000; i < 7000; ++i) bus_->publish("container", std::to_string(i), "c", Json::object());
    });
    seen->slow = filtered->slow = false;
    more.join();
    ASSERT_TRUE(becomes_true([&] { return seen->count() == 7000; })) << seen->count();
    for (std::size_t i = 0; i < 7000; ++i) ASSERT_EQ(seen->events[i]["Action"], std::to_string(i));
    EXPECT_TRUE(becomes_true([&] { return filtered->count() == 2; })) << filtered->count();
}

TEST_F(Events, tell_a_slow_listener_how_many_the_store_has_lost) {
    bus_->set_keep(2000);
    auto seen = listen();
    seen->slow = true;
    for (int i = 0; i < 5000; ++i) bus_->publish("container", std::to_string(i), "c", Json::object());
    bus_->flush();
    seen->slow = false;
    ASSERT_TRUE(becomes_true([&] { return seen->count() == 2001; })) << seen->count();
    EXPECT_EQ(seen->events[0]["Action"], "gap");
    EXPECT_EQ(seen->events[0]["Actor"]["Attributes"]["missed"], "3000");
    EXPECT_EQ(seen->events[1]["Action"], "3000");
    EXPECT_EQ(seen->events[2000]["Action"], "4999");
}

TEST_F(Events, go_on_from_the_store_to_what_comes_for_a_listener_that_began_slowly) {
    for (int i = 0; i < 1000; ++i) bus_->publish("container", std::to_string(i), "c", Json::object());
    bus_->flush();
    auto seen = listen({.since_ns = 1});
    ASSERT_TRUE(becomes_true([&] { return seen->count() > 0; }));
    seen->slow = true;
    for (int i = 1000; i < 4000; ++i) bus_->publish("container", std::to_string(i), "c", Json::object());
    bus_->flush();
    seen->slow = false;
    ASSERT_TRUE(becomes_true([&] { return seen->count() == 4000; })) << seen->count();
    for (std::size_t i = 0; i < 4000; ++i) ASSERT_EQ(seen->events[i]["Action"], std::to_string(i));
}

TEST_F(Events, let_a_listener_go_that_has_gone) {
    auto seen = listen();
    ASSERT_TRUE(becomes_true([&] { return bus_->subscribers() == 1; }));
    seen->gone = true;
    seen->on_gone();
    EXPECT_TRUE(becomes_true([&] { return seen->ended.load() && bus_->subscribers() == 0; }));
}

TEST_F(Events, pass_filters) {
    Event event{1,           1,
                "container", "health_status: healthy",
                "abcdef",    {{"name", "web"}, {"image", "debian:12"}, {"tier", "front"}}};
    auto fits = [&](EventBus::Filters filters) { return event_matches(event, filters); };
    EXPECT_TRUE(fits({}));
    EXPECT_TRUE(fits({{"type", {"container"}}, {"container", {"web"}}}));
    EXPECT_TRUE(fits({{"container", {"nothing", "abc"}}}));
    EXPECT_TRUE(fits({{"event", {"health_status"}}}));
    EXPECT_TRUE(fits({{"image", {"debian"}}}));
    EXPECT_TRUE(fits({{"image", {"debian:12"}}}));
    EXPECT_TRUE(fits({{"label", {"tier", "tier=front"}}}));
    EXPECT_FALSE(fits({{"label", {"tier", "tier=back"}}}));
    EXPECT_FALSE(fits({{"type", {"image"}}}));
    EXPECT_FALSE(fits({{"event", {"health"}}}));
    EXPECT_FALSE(fits({{"container", {"we"}}}));
    EXPECT_FALSE(fits({{"volume", {"web"}}}));
    EXPECT_EQ(check_event_filters({{"nothing", {}}}).error().code, Code::invalid);
    EXPECT_TRUE(check_event_filters({{"type", {}}, {"network", {}}}));
}
