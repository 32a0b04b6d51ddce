#include "core/plugin/plugin_service.hpp"

#include <gtest/gtest.h>

#include "core/base/files.hpp"
#include "core/image/registry/service.hpp"
#include "tests/unit/core/plugin/tar.hpp"
#include "tests/unit/plugins/storage/one_driver.hpp"

namespace gantry::plugin {
namespace {

// Of a machine on which nothing runs.
class NoLauncher final : public container::Launcher {
public:
    Result<std::unique_ptr<Launch>> begin_launch(container::LaunchRequest) override {
        return fail(Code::internal, "nothing can be launched");
    }
    Result<std::shared_ptr<container::Monitor>> reconnect(const std::string&, const std::string&) override {
        return fail(Code::not_found, "nothing runs");
    }
    Result<void> warm_seccomp(const std::string&, const Json&) override { return {}; }
    Result<int> spawn(const std::vector<std::string>&, const std::vector<std::string>&, const int[3], int,
                      const std::function<void(int)>&) override {
        return fail(Code::internal, "nothing can be spawned");
    }
    Result<void> sweep(const std::string&, const std::string& id, const std::string&) override {
        swept.push_back(id);
        return {};
    }
    Result<Json> drivers() override { return Json::array(); }
    void shut_down() override {}
    std::vector<std::string> swept;
};

struct Plugins : ::testing::Test {
    gantry::test::Scratch scratch;
    NoLauncher launcher;
    std::unique_ptr<store::Store> store;
    std::unique_ptr<driver::Registry> drivers;
    std::unique_ptr<image::ImageStore> images;
    std::unique_ptr<image::registry::Service> registries;
    std::unique_ptr<PluginService> plugins;
    std::vector<std::string> events;

    void SetUp() override {
        REQUIRE_ROOT();
        store = store::Store::open(scratch / "store.db").value();
        drivers = gantry::test::registry_with(scratch, "copy");
        auto layers = drivers->get(driver::Kind::layer, "copy");
        ASSERT_TRUE(layers) << layers.error().text;
        images = image::ImageStore::open(scratch / "root/images", *store, *layers).value();
        registries = image::registry::Service::open(*images, scratch / "root/images", [] {
                         return image::registry::Settings();
                     }).value();
        open();
    }
    void open() {
        plugins.reset();
        Collaborators with{*store, *registries, [this]() -> Result<container::Launcher*> { return &launcher; },
                           [] {
                               return container::CreateDefaults{"native", "copy"};
                           },
                           [this](std::string_view action, const std::string&, const Json& attributes) {
                               events.push_back(std::string(action) + " " + attributes["name"].get<std::string>());
                           }};
        auto opened = PluginService::open({"unit", scratch / "root", scratch / "run"}, std::move(with));
        ASSERT_TRUE(opened) << opened.error().text;
        plugins = std::move(*opened);
        plugins->recover();
    }
    Result<Plugin> create(const std::string& name) {
        test::Tar tar;
        tar.file("config.json", R"({"Entrypoint": ["/p"], "Interface": {"Socket": "p.sock"},
                                    "Env": [{"Name": "A", "Value": "1", "Settable": ["value"]}]})");
        UniqueFd body = gantry::test::stream_of(tar.file("rootfs/p", "x").bytes());
        return plugins->create(name, body.get());
    }
    std::size_t directories() { return list_directory(scratch / "root/plugins")->size(); }
};

TEST_F(Plugins, are_made_found_set_and_removed) {
    auto made = create("test/a");
    ASSERT_TRUE(made) << made.error().text;
    EXPECT_EQ(made->name, "test/a:latest");
    for (const std::string& ref :
         {std::string("test/a"), std::string("test/a:latest"), made->id, made->id.substr(0, 8)})
        EXPECT_TRUE(plugins->inspect(ref)) << ref;
    EXPECT_EQ(plugins->inspect("test/b").error().text, "plugin \"test/b\" not found");
    EXPECT_EQ(create("test/a").error().text, "plugin \"test/a:latest\" already exists");
    ASSERT_TRUE(plugins->set("test/a", {"A=2"}));
    EXPECT_FALSE(plugins->set("test/a", {"A=3", "B=4"}));
    open();
    auto again = plugins->inspect("test/a");
    ASSERT_TRUE(again);
    EXPECT_EQ(again->settings["Env"], Json::array({"A=2"}));
    ASSERT_TRUE(plugins->remove("test/a", false));
    EXPECT_EQ(directories(), 0u);
    EXPECT_EQ(plugins->remove("test/a", true).error().code, Code::not_found);
    EXPECT_TRUE(create("test/a"));
    EXPECT_EQ(events,
              (std::vector<std::string>{"create test/a:latest", "remove test/a:latest", "create test/a:latest"}));
}

TEST_F(Plugins, that_cannot_be_made_leave_nothing) {
    EXPECT_EQ(create("").error().text, "\"name\" is not given");
    EXPECT_EQ(create("UPPER").error().code, Code::invalid);
    EXPECT_EQ(create("a@sha256:" + std::string(64, 'a')).error().code, Code::invalid);
    UniqueFd nothing = gantry::test::stream_of("");
    EXPECT_FALSE(plugins->create("b", nothing.get()));
    EXPECT_EQ(directories(), 0u);
    EXPECT_TRUE(create("b"));
}

TEST_F(Plugins, that_do_not_start_stay_disabled) {
    auto made = create("a");
    ASSERT_TRUE(made);
    EXPECT_EQ(plugins->enable("a", 1).error().text, "plugin \"a:latest\": nothing can be launched");
    EXPECT_FALSE(plugins->inspect("a")->enabled);
    EXPECT_EQ(plugins->disable("a", false).error().code, Code::conflict);
    EXPECT_EQ(plugins->enable("none", 1).error().code, Code::not_found);
    EXPECT_TRUE(list_directory(scratch / "run/plugins")->empty());
}

TEST_F(Plugins, whose_record_is_damaged_are_set_aside_with_their_files) {
    auto made = create("a");
    ASSERT_TRUE(made);
    store::Object object = *store->get(store_kind, made->id).value();
    object.body["tree"] = 5;
    ASSERT_TRUE(store->put(store_kind, object));
    open();
    EXPECT_TRUE(plugins->list().empty());
    open();
    EXPECT_TRUE(gantry::test::is_there(scratch / ("root/plugins/" + made->id + ".damaged")));
    EXPECT_TRUE(create("a"));
}

TEST_F(Plugins, what_no_record_names_is_swept_at_the_start) {
    auto made = create("a");
    ASSERT_TRUE(made);
    const std::string stray(64, 'c');
    ASSERT_TRUE(make_directories(scratch / ("root/plugins/" + stray + "/rootfs")));
    ASSERT_TRUE(make_directories(scratch / ("run/plugins/" + stray)));
    open();
    EXPECT_EQ(directories(), 1u);
    EXPECT_TRUE(list_directory(scratch / "run/plugins")->empty());
    EXPECT_EQ(launcher.swept, std::vector<std::string>{stray});
    EXPECT_TRUE(plugins->inspect("a"));
}

}  // namespace
}  // namespace gantry::plugin
