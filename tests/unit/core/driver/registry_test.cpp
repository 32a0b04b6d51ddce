#include "core/driver/registry.hpp"

#include <thread>

#include "core/driver/hosted.hpp"
#include "tests/unit/core/driver/support.hpp"

namespace gantry::driver {
namespace {

using ::testing::HasSubstr;

using RegistryTest = Fixture;

TEST_F(RegistryTest, gives_one_instance_for_a_name_to_all_who_ask) {
    Registry registry(settings(Isolation::in_process));
    std::vector<std::thread> askers;
    std::mutex mutex;
    std::set<Driver*> seen;
    for (int i = 0; i < 8; ++i)
        askers.emplace_back([&] {
            auto driver = registry.get(Kind::network, "good");
            std::lock_guard lock(mutex);
            seen.insert(driver ? driver->get() : nullptr);
        });
    for (auto& asker : askers) asker.join();
    EXPECT_EQ(seen.size(), 1u);
    EXPECT_FALSE(seen.count(nullptr));
}

TEST_F(RegistryTest, runs_drivers_of_the_first_directory_in_process_and_all_others_hosted) {
    Settings s = settings();
    Registry strangers(s);
    auto hosted = strangers.get(Kind::volume, "good");
    ASSERT_TRUE(hosted) << text_of(hosted);
    EXPECT_NE(dynamic_cast<HostedDriver*>(hosted->get()), nullptr);
    s.path = {good_drivers};
    Registry own(s);
    auto loaded = own.get(Kind::volume, "good");
    ASSERT_TRUE(loaded) << text_of(loaded);
    EXPECT_EQ(dynamic_cast<HostedDriver*>(loaded->get()), nullptr);
}

TEST_F(RegistryTest, gives_a_driver_its_private_directories) {
    Registry registry(settings(Isolation::in_process));
    auto volume = registry.get(Kind::volume, "good");
    ASSERT_TRUE(volume) << text_of(volume);
    auto reply = (*volume)->call("volume/1", "ensure", {{"volume", {{"id", "v"}, {"name", "v"}}}});
    ASSERT_TRUE(reply) << text_of(reply);
    EXPECT_EQ(reply->result["path"], directory.path() + "/root/drivers/good/v");
    struct stat info {};
    ASSERT_EQ(::stat((directory.path() + "/run/drivers/good").c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0700u);
}

TEST_F(RegistryTest, an_instance_may_use_a_file_of_another_name) {
    Settings s = settings(Isolation::in_process);
    Wanted wanted;
    wanted.name = "fast";
    wanted.use = "good";
    wanted.options = {{"mtu", "9000"}};
    wanted.isolation = Isolation::in_process;
    s.drivers.push_back(wanted);
    Registry registry(s);
    auto driver = registry.get(Kind::network, "fast");
    ASSERT_TRUE(driver) << text_of(driver);
    EXPECT_EQ((*driver)->name(), "fast");
    auto reply = (*driver)->call("network/1", "ensure", {{"network", {{"id", "n"}}}});
    ASSERT_TRUE(reply);
    EXPECT_EQ(reply->result["mtu"], 9000);
    EXPECT_NE(*driver, *registry.get(Kind::network, "good"));
}

TEST_F(RegistryTest, an_unknown_name_lists_what_there_is_and_the_nearest) {
    Registry registry(settings());
    auto driver = registry.get(Kind::network, "goof");
    ASSERT_FALSE(driver);
    EXPECT_EQ(driver.error().code, Code::not_found);
    EXPECT_EQ(driver.error().text,
              "no network driver \"goof\"; there are: \"good\", \"misbehaves\"; did you mean \"good\"?");
}

TEST_F(RegistryTest, a_driver_of_another_kind_is_named_as_such) {
    Registry registry(settings());
    auto driver = registry.get(Kind::volume, "misbehaves");
    ASSERT_FALSE(driver);
    EXPECT_THAT(driver.error().text,
                HasSubstr("no volume driver \"misbehaves\"; \"misbehaves\" is a network driver; there are: \"good\""));
}

TEST_F(RegistryTest, a_name_never_leads_out_of_the_path) {
    Registry registry(settings());
    for (const char* name : {"../bad/network-plain", "..", "", "a/b", "x.so", "GOOD"}) {
        auto driver = registry.get(Kind::network, name);
        ASSERT_FALSE(driver) << name;
        EXPECT_EQ(driver.error().code, Code::not_found);
    }
    Settings s = settings();
    s.drivers[0].use = "../bad/network-plain";
    Registry used(s);
    EXPECT_FALSE(used.get(Kind::network, "good"));
}

TEST_F(RegistryTest, the_first_directory_that_has_the_file_decides_even_where_it_is_refused) {
    TemporaryDirectory first;
    std::string copy = first.copy(good_drivers + "/network-good.so");
    ::chmod(copy.c_str(), 0777);
    Settings s = settings();
    s.path = {first.path(), good_drivers};
    Registry registry(s);
    auto driver = registry.get(Kind::network, "good");
    ASSERT_FALSE(driver);
    EXPECT_THAT(driver.error().text, HasSubstr("\"" + copy + "\" has mode 0777"));
}

TEST_F(RegistryTest, bad_options_are_refused_before_the_driver_sees_them) {
    for (Isolation isolation : {Isolation::in_process, Isolation::process}) {
        Settings s = settings(isolation);
        s.drivers[0].options = {{"mtuu", 1}};
        Registry registry(s);
        auto driver = registry.get(Kind::network, "good");
        ASSERT_FALSE(driver);
        EXPECT_EQ(driver.error().text,
                  "driver \"good\": unknown option \"mtuu\"; known: \"label.*\", \"mtu\"; did you mean \"mtu\"?");
    }
}

TEST_F(RegistryTest, a_refused_driver_may_be_asked_for_again) {
    Settings s = settings(Isolation::in_process);
    TemporaryDirectory own;
    std::string copy = own.copy(good_drivers + "/layer-good.so");
    ::chmod(copy.c_str(), 0777);
    s.path = {own.path()};
    Registry registry(s);
    EXPECT_FALSE(registry.get(Kind::layer, "good"));
    ::chmod(copy.c_str(), 0755);
    auto driver = registry.get(Kind::layer, "good");
    EXPECT_TRUE(driver) << text_of(driver);
}

TEST_F(RegistryTest, lists_every_file_and_every_configured_name_with_its_problem) {
    Settings s = settings();
    s.path.push_back(bad_drivers);
    Wanted missing;
    missing.name = "missing";
    s.drivers.push_back(missing);
    Registry registry(s);
    ASSERT_TRUE(registry.get(Kind::network, "good"));
    std::map<std::string, Found> found;
    for (const Found& one : registry.list()) found[one.kind + "/" + one.name] = one;
    EXPECT_TRUE(found["network/good"].loaded);
    EXPECT_EQ(found["network/good"].problem, "");
    EXPECT_EQ(found["network/good"].version, "1.0");
    EXPECT_EQ(found["network/good"].summary, "networks in memory");
    EXPECT_EQ(found["network/good"].isolation, "process");
    EXPECT_FALSE(found["volume/good"].loaded);
    EXPECT_EQ(found["volume/good"].summary, "volumes as directories");
    EXPECT_EQ(found["network/major"].file, bad_drivers + "/network-major.so");
    EXPECT_THAT(found["network/major"].problem, HasSubstr("was made for driver ABI 99; 1 is needed"));
    EXPECT_THAT(found["/missing"].problem, HasSubstr("no file KIND-missing.so"));
}

TEST_F(RegistryTest, check_file_tells_each_check) {
    Json good = check_file(good_drivers + "/network-good.so", settings());
    EXPECT_TRUE(good["ok"]) << good.dump(2);
    EXPECT_GE(good["checks"].size(), 3u);
    EXPECT_EQ(good["description"]["kind"], "network");

    Json bad = check_file(bad_drivers + "/network-open_reason.so", settings());
    EXPECT_FALSE(bad["ok"]);
    EXPECT_THAT(bad["checks"].back()["message"].get<std::string>(), HasSubstr("the moon is not full"));

    Json link = check_file("/etc/passwd", settings());
    EXPECT_FALSE(link["ok"]);
    EXPECT_EQ(link["checks"].size(), 1u);

    Json crash = check_file(bad_drivers + "/network-major.so", settings());
    EXPECT_FALSE(crash["ok"]);
}

}  // namespace
}  // namespace gantry::driver
