#include "core/store/store.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <thread>

#include "tests/unit/core/store/scratch.hpp"

using namespace gantry;
using namespace gantry::store;
using gantry::test::Scratch;

namespace {

std::unique_ptr<Store> open_store(const std::string& path) {
    auto opened = Store::open(path);
    EXPECT_TRUE(opened) << (opened ? "" : opened.error().text);
    return opened ? std::move(opened).value() : nullptr;
}

}  // namespace

TEST(Store, gives_back_what_was_put_after_it_was_opened_again) {
    Scratch scratch;
    auto store = open_store(scratch / "store.db");
    ASSERT_TRUE(store->put("container", {"c1", "web", 3, {{"a", 1}}}));
    store.reset();
    store = open_store(scratch / "store.db");
    auto found = store->get("container", "c1");
    ASSERT_TRUE(found);
    ASSERT_TRUE(*found);
    EXPECT_EQ((*found)->name, "web");
    EXPECT_EQ((*found)->generation, 3);
    EXPECT_EQ((*found)->body, Json({{"a", 1}}));
    auto absent = store->get("container", "c2");
    ASSERT_TRUE(absent);
    EXPECT_FALSE(*absent);
}

TEST(Store, is_readable_by_its_owner_only) {
    Scratch scratch;
    const mode_t before = ::umask(0);
    auto store = open_store(scratch / "store.db");
    ASSERT_TRUE(store->put("x", {"1", "", 0, Json::object()}));
    ::umask(before);
    for (const char* name : {"store.db", "store.db-wal", "store.db-shm"}) {
        struct stat info {};
        ASSERT_EQ(::stat((scratch / name).c_str(), &info), 0) << name;
        EXPECT_EQ(info.st_mode & 07777, 0600u) << name;
    }
}

TEST(Store, refuses_a_name_that_another_object_of_the_kind_has) {
    Scratch scratch;
    auto store = open_store(scratch / "store.db");
    ASSERT_TRUE(store->put("container", {"c1", "web", 0, Json::object()}));
    ASSERT_TRUE(store->put("network", {"n1", "web", 0, Json::object()}));
    auto refused = store->put("container", {"c2", "web", 0, Json::object()});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::conflict);
    EXPECT_NE(refused.error().text.find("\"c1\""), std::string::npos);
    ASSERT_TRUE(store->put("container", {"c1", "web", 1, Json::object()}));
    ASSERT_TRUE(store->put("container", {"c1", "other", 1, Json::object()}));
    EXPECT_TRUE(store->put("container", {"c2", "web", 0, Json::object()}));
}

TEST(Store, takes_any_number_of_objects_without_a_name) {
    Scratch scratch;
    auto store = open_store(scratch / "store.db");
    ASSERT_TRUE(store->put("image", {"1", "", 0, Json::object()}));
    EXPECT_TRUE(store->put("image", {"2", "", 0, Json::object()}));
}

TEST(Store, lists_oldest_first_also_after_a_change) {
    Scratch scratch;
    auto store = open_store(scratch / "store.db");
    for (const char* id : {"b", "a", "c"}) ASSERT_TRUE(store->put("k", {id, "", 0, Json::object()}));
    ASSERT_TRUE(store->put("k", {"b", "", 1, Json::object()}));
    auto all = store->list("k");
    ASSERT_TRUE(all);
    ASSERT_EQ(all->size(), 3u);
    EXPECT_EQ((*all)[0].id, "b");
    EXPECT_EQ((*all)[2].id, "c");
    ASSERT_TRUE(store->erase("k", "a"));
    ASSERT_TRUE(store->erase("k", "a"));
    EXPECT_EQ(store->list("k")->size(), 2u);
}

TEST(Store, lets_one_owner_claim_a_key) {
    Scratch scratch;
    auto store = open_store(scratch / "store.db");
    ASSERT_TRUE(store->claim("address", "172.17.0.2", "e1"));
    EXPECT_TRUE(store->claim("address", "172.17.0.2", "e1"));
    auto refused = store->claim("address", "172.17.0.2", "e2");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::conflict);
    EXPECT_NE(refused.error().text.find("\"e1\""), std::string::npos);
    EXPECT_TRUE(store->claim("port", "172.17.0.2", "e2"));
    ASSERT_TRUE(store->release("address", "172.17.0.2", "e2"));
    EXPECT_EQ(store->claims("address")->size(), 1u);
    ASSERT_TRUE(store->release_all("address", "e1"));
    EXPECT_TRUE(store->claim("address", "172.17.0.2", "e2"));
    ASSERT_TRUE(store->release_owner("e2"));
    EXPECT_TRUE(store->claims("address")->empty());
    EXPECT_TRUE(store->claims("port")->empty());
}

TEST(Store, keeps_an_intent_until_it_is_ended) {
    Scratch scratch;
    auto store = open_store(scratch / "store.db");
    auto first = store->begin_intent("container", "c1", "start", {{"step", 1}});
    auto second = store->begin_intent("container", "c2", "stop", Json::object());
    ASSERT_TRUE(first);
    ASSERT_TRUE(second);
    EXPECT_GT(*second, *first);
    ASSERT_TRUE(store->end_intent(*first));
    auto open = store->intents();
    ASSERT_TRUE(open);
    ASSERT_EQ(open->size(), 1u);
    EXPECT_EQ((*open)[0].operation, "stop");
}

TEST(Store, numbers_events_without_gaps_and_keeps_the_newest) {
    Scratch scratch;
    auto store = open_store(scratch / "store.db");
    for (int i = 1; i <= 20; ++i) EXPECT_EQ(*store->append_event(i, {{"n", i}}, 5), i);
    store.reset();
    store = open_store(scratch / "store.db");
    EXPECT_EQ(*store->append_event(21, {{"n", 21}}, 5), 21);
    auto events = store->events_since(19);
    ASSERT_TRUE(events);
    ASSERT_EQ(events->size(), 3u);
    EXPECT_EQ((*events)[0].body["n"], 19);
    EXPECT_EQ(store->events_since(0)->size(), 5u);
}

TEST(Store, undoes_a_transaction_that_fails_or_throws) {
    Scratch scratch;
    auto store = open_store(scratch / "store.db");
    auto failed = store->transact([&]() -> Result<void> {
        GANTRY_CHECK(store->put("k", {"1", "", 0, Json::object()}));
        GANTRY_CHECK(store->claim("s", "k", "o"));
        return fail(Code::denied, "no");
    });
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code, Code::denied);
    auto thrown = store->transact([&]() -> Result<void> {
        GANTRY_CHECK(store->put("k", {"1", "", 0, Json::object()}));
        throw std::runtime_error("out of luck");
    });
    ASSERT_FALSE(thrown);
    EXPECT_TRUE(store->list("k")->empty());
    EXPECT_TRUE(store->claims("s")->empty());
    ASSERT_TRUE(store->transact([&]() -> Result<void> {
        GANTRY_CHECK(store->append_event(1, Json::object()));
        return store->put("k", {"1", "", 0, Json::object()});
    }));
    EXPECT_EQ(store->list("k")->size(), 1u);
}

TEST(Store, refuses_a_transaction_inside_a_transaction) {
    Scratch scratch;
    auto store = open_store(scratch / "store.db");
    auto nested = store->transact([&] { return store->transact([]() -> Result<void> { return {}; }); });
    EXPECT_FALSE(nested);
    EXPECT_TRUE(store->put("k", {"1", "", 0, Json::object()}));
}

TEST(Store, remembers_settings) {
    Scratch scratch;
    auto store = open_store(scratch / "store.db");
    EXPECT_FALSE(*store->setting("id"));
    ASSERT_TRUE(store->set_setting("id", "a"));
    ASSERT_TRUE(store->set_setting("id", "b"));
    EXPECT_EQ(**store->setting("id"), "b");
    EXPECT_TRUE(store->sync());
}

TEST(Store, refuses_a_body_that_is_not_an_object) {
    Scratch scratch;
    auto store = open_store(scratch / "store.db");
    EXPECT_EQ(store->put("k", {"1", "", 0, Json::array()}).error().code, Code::invalid);
    EXPECT_EQ(store->put("k", {"", "", 0, Json::object()}).error().code, Code::invalid);
}

TEST(Store, serves_many_threads_at_once) {
    Scratch scratch;
    auto store = open_store(scratch / "store.db");
    std::vector<std::thread> threads;
    std::atomic<int> won = 0, failed = 0;
    for (int t = 0; t < 8; ++t)
        threads.emplace_back([&, t] {
            for (int i = 0; i < 100; ++i) {
                const std::string id = std::to_string(t) + "-" + std::to_string(i);
                if (!store->put("k", {id, "", 0, {{"t", t}}})) ++failed;
                if (store->claim("port", std::to_string(i), std::to_string(t))) ++won;
                if (i % 10 == 0 && !store->transact([&] { return store->erase("k", id); })) ++failed;
            }
        });
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(failed, 0);
    EXPECT_EQ(won, 100);
    EXPECT_EQ(store->list("k")->size(), 8u * 90u);
}

TEST(Store, tells_what_a_put_costs) {
    Scratch scratch;
    auto store = open_store(scratch / "store.db");
    const Json body = {{"name", "web"}, {"padding", std::string(1500, 'x')}};
    const int count = 3000;
    std::vector<double> times;
    for (int i = 0; i < count; ++i) {
        const auto begin = std::chrono::steady_clock::now();
        ASSERT_TRUE(store->put("container", {"c" + std::to_string(i % 200), "n" + std::to_string(i % 200), i, body}));
        times.push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count());
    }
    std::sort(times.begin(), times.end());
    RecordProperty("median_us", std::to_string(times[count / 2]));
    std::printf("put: median %.1f us, p99 %.1f us, max %.1f us\n", times[count / 2], times[count * 99 / 100],
                times.back());
    EXPECT_LT(times[count / 2], 2000);
}
