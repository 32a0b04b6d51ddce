#include "core/volume/volume_service.hpp"

#include <gtest/gtest.h>

#include "core/base/ids.hpp"
#include "tests/unit/plugins/storage/one_driver.hpp"

namespace gantry::volume {
namespace {

struct Volumes : ::testing::Test {
    test::Scratch scratch;
    std::unique_ptr<store::Store> store;
    std::unique_ptr<driver::Registry> drivers;
    std::unique_ptr<VolumeService> volumes;

    void SetUp() override {
        REQUIRE_ROOT();
        open();
    }
    void open() {
        volumes.reset();
        drivers.reset();
        store.reset();
        auto opened = store::Store::open(scratch / "store.db");
        ASSERT_TRUE(opened) << opened.error().text;
        store = std::move(*opened);
        drivers = test::registry_with(scratch, "local");
        auto service = VolumeService::open(*store, *drivers, "local");
        ASSERT_TRUE(service) << service.error().text;
        volumes = std::move(*service);
    }
};

}  // namespace

TEST_F(Volumes, are_made_found_listed_and_removed) {
    auto made = volumes->create("data", "", {}, {{"app", "web"}});
    ASSERT_TRUE(made) << made.error().text;
    EXPECT_EQ(made->driver, "local");
    EXPECT_TRUE(test::is_there(made->path));
    const Json api = made->to_api();
    EXPECT_EQ(api["Name"], "data");
    EXPECT_EQ(api["Mountpoint"], made->path);
    EXPECT_EQ(api["Labels"]["app"], "web");
    EXPECT_EQ(api["Scope"], "local");
    EXPECT_EQ(volumes->list().size(), 1u);
    ASSERT_TRUE(volumes->remove("data", false));
    EXPECT_FALSE(test::is_there(made->path));
    EXPECT_EQ(volumes->inspect("data").error().text, "get data: no such volume");
    EXPECT_EQ(volumes->remove("data", false).error().code, Code::not_found);
    EXPECT_TRUE(volumes->remove("data", true));
}

TEST_F(Volumes, without_a_name_are_anonymous) {
    auto made = volumes->create("", "", {}, {});
    ASSERT_TRUE(made);
    EXPECT_TRUE(made->anonymous);
    EXPECT_EQ(made->name.size(), 64u);
    EXPECT_TRUE(is_id_prefix(made->name));
}

TEST_F(Volumes, the_same_again_is_the_same_and_another_kind_a_conflict) {
    ASSERT_TRUE(volumes->create("v", "", {{"type", "tmpfs"}, {"device", "tmpfs"}}, {{"a", "1"}}));
    auto again = volumes->create("v", "", {}, {});
    ASSERT_TRUE(again);
    EXPECT_EQ(again->options.at("type"), "tmpfs");
    EXPECT_EQ(again->labels.at("a"), "1");
    EXPECT_EQ(volumes->create("v", "other", {}, {}).error().code, Code::conflict);
    EXPECT_EQ(volumes->create("v", "", {{"type", "none"}}, {}).error().code, Code::conflict);
}

TEST_F(Volumes, bad_names_and_options_change_nothing) {
    for (const char* bad : {"a/b", ".", "..", "-x", "a b"}) {
        auto made = volumes->create(bad, "", {}, {});
        ASSERT_FALSE(made) << bad;
        EXPECT_NE(made.error().text.find("includes invalid characters for a local volume name"), std::string::npos);
    }
    EXPECT_EQ(volumes->create("v", "", {{"tpye", "tmpfs"}}, {}).error().code, Code::invalid);
    EXPECT_EQ(volumes->create("v", "", {{"type", "nfs"}, {"device", ":/"}, {"o", "addr=x"}}, {}).error().code,
              Code::unsupported);
    EXPECT_FALSE(volumes->create("v", "absent", {}, {}));
    EXPECT_TRUE(volumes->list().empty());
    EXPECT_TRUE(store->intents()->empty());
}

TEST_F(Volumes, in_use_cannot_be_removed) {
    ASSERT_TRUE(volumes->create("v", "", {}, {}));
    auto mount = volumes->publish("v", "c1", false);
    ASSERT_TRUE(mount) << mount.error().text;
    EXPECT_TRUE(mount->mount);
    ASSERT_TRUE(volumes->publish("v", "c1", false));
    ASSERT_TRUE(volumes->publish("v", "c2", true));
    auto removed = volumes->remove("v", true);
    ASSERT_FALSE(removed);
    EXPECT_EQ(removed.error().code, Code::conflict);
    EXPECT_EQ(removed.error().text, "remove v: volume is in use - [c1, c2]");
    ASSERT_TRUE(volumes->unpublish("v", "c1"));
    ASSERT_TRUE(volumes->unpublish("v", "c1"));
    ASSERT_TRUE(volumes->unpublish("v", "c2"));
    EXPECT_TRUE(volumes->remove("v", false));
    EXPECT_TRUE(volumes->unpublish("v", "c2")) << "gone is success";
    EXPECT_EQ(volumes->publish("v", "c1", false).error().code, Code::not_found);
}

TEST_F(Volumes, survive_a_restart_with_their_users_and_drop_those_that_are_gone) {
    ASSERT_TRUE(volumes->create("v", "", {}, {{"l", "1"}}));
    ASSERT_TRUE(volumes->publish("v", "alive", false));
    ASSERT_TRUE(volumes->publish("v", "gone", false));
    open();
    auto volume = volumes->inspect("v");
    ASSERT_TRUE(volume);
    EXPECT_EQ(volume->labels.at("l"), "1");
    EXPECT_EQ(volume->consumers, (std::set<std::string>{"alive", "gone"}));
    volumes->reconcile({"alive"});
    EXPECT_EQ(volumes->inspect("v")->consumers, (std::set<std::string>{"alive"}));
}

TEST_F(Volumes, half_made_by_a_killed_engine_are_taken_back) {
    ASSERT_TRUE(volumes->create("whole", "", {}, {}));
    ASSERT_TRUE(store->begin_intent("volume", "half", "create", Json{{"driver", "local"}}));
    ASSERT_TRUE(store->begin_intent("volume", "whole", "remove", Json::object()));
    auto driver = drivers->get(driver::Kind::volume, "local");
    ASSERT_TRUE((*driver)->call("volume/1", "ensure",
                                Json{{"volume", {{"id", "half"}, {"name", "half"}, {"options", Json::object()}}}}));
    open();
    volumes->reconcile({});
    EXPECT_TRUE(volumes->list().empty());
    EXPECT_TRUE(store->intents()->empty());
    EXPECT_TRUE(std::filesystem::is_empty(scratch / "root/drivers/local/volumes"));
}

TEST_F(Volumes, half_made_are_taken_back_by_the_default_driver_where_their_intent_is_damaged) {
    for (const Json& detail : {Json(), Json::array(), Json::object(), Json{{"driver", 5}}, Json{{"driver", nullptr}}}) {
        ASSERT_TRUE(store->begin_intent("volume", "half", "create", detail));
        auto driver = drivers->get(driver::Kind::volume, "local");
        ASSERT_TRUE((*driver)->call("volume/1", "ensure",
                                    Json{{"volume", {{"id", "half"}, {"name", "half"}, {"options", Json::object()}}}}));
        open();
        volumes->reconcile({});
        EXPECT_TRUE(store->intents()->empty());
        EXPECT_TRUE(std::filesystem::is_empty(scratch / "root/drivers/local/volumes")) << detail;
    }
}

TEST_F(Volumes, that_a_cut_off_creation_made_without_a_name_are_discarded) {
    ASSERT_TRUE(volumes->create("", "", {}, {}, "cut-off"));
    auto published = volumes->create("", "", {}, {}, "cut-off");
    ASSERT_TRUE(published);
    ASSERT_TRUE(volumes->publish(published->name, "cut-off", false));
    ASSERT_TRUE(volumes->create("", "", {}, {}, "other"));
    ASSERT_TRUE(volumes->create("named", "", {}, {}));
    ASSERT_TRUE(volumes->publish("named", "cut-off", false));
    open();
    volumes->discard_anonymous("cut-off");
    ASSERT_EQ(volumes->list().size(), 2u);
    EXPECT_TRUE(volumes->inspect("named"));
    volumes->reconcile({"other"});
    EXPECT_EQ(volumes->list().size(), 2u);
    EXPECT_TRUE(volumes->inspect("named")->consumers.empty());
}

// What a driver has of a volume whose record is lost is the user's: neither a failed creation nor one that was cut off
// takes it away.
TEST_F(Volumes, whose_record_is_lost_keep_their_data_when_they_are_made_again) {
    auto made = volumes->create("v", "", {}, {});
    ASSERT_TRUE(made);
    test::write_text(made->path + "/data", "precious");
    ASSERT_TRUE(store->erase("volume", "v"));
    ASSERT_TRUE(store->begin_intent("volume", "v", "create", Json{{"driver", "local"}, {"kept", true}}));
    open();
    volumes->reconcile({});
    EXPECT_TRUE(store->intents()->empty());
    EXPECT_EQ(test::content_of(made->path + "/data"), "precious");
    auto again = volumes->create("v", "", {}, {});
    ASSERT_TRUE(again) << again.error().text;
    EXPECT_EQ(test::content_of(again->path + "/data"), "precious");
    EXPECT_TRUE(store->intents()->empty());
}

TEST_F(Volumes, with_a_damaged_record_are_set_aside_and_their_name_is_free) {
    ASSERT_TRUE(volumes->create("v", "", {}, {}));
    ASSERT_TRUE(volumes->create("fine", "", {}, {}));
    ASSERT_TRUE(store->put("volume", {"v", "v", 1, Json{{"driver", "local"}, {"labels", nullptr}}}));
    open();
    EXPECT_FALSE(volumes->inspect("v"));
    EXPECT_TRUE(volumes->inspect("fine"));
    EXPECT_EQ(store->list("damaged.volume")->size(), 1u);
    EXPECT_TRUE(volumes->create("v", "", {}, {}));
}

TEST_F(Volumes, one_volume_can_be_used_from_many_threads) {
    ASSERT_TRUE(volumes->create("v", "", {}, {}));
    std::vector<std::thread> threads;
    std::atomic<int> failures = 0;
    for (int t = 0; t < 8; ++t)
        threads.emplace_back([&, t] {
            for (int i = 0; i < 10; ++i) {
                const std::string id = "c" + std::to_string(t) + "-" + std::to_string(i);
                if (!volumes->publish("v", id, false) || !volumes->unpublish("v", id)) ++failures;
            }
        });
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(failures, 0);
    EXPECT_TRUE(volumes->inspect("v")->consumers.empty());
}

}  // namespace gantry::volume
