// The routes over a real socket, with the engine's own services behind them and no driver but that of the images' layers.
#include "core/daemon/api/api.hpp"
#include "core/daemon/api/image_registry.hpp"
#include "core/image/registry/service.hpp"
#include "core/plugin/plugin_service.hpp"

#include <gtest/gtest.h>

#include <atomic>

#include "core/base/files.hpp"
#include "tests/unit/core/daemon/client.hpp"

using namespace gantry;
using gantry::test::Client;
using gantry::test::status_line;

namespace {

class Api : public gantry::test::ServerTest {
protected:
    void SetUp() override {
        ASSERT_TRUE(make_directories(scratch_ / "root/images"));
        ASSERT_TRUE(make_directories(scratch_ / "run"));
        auto store = store::Store::open(scratch_ / "root/store.db");
        ASSERT_TRUE(store);
        store_ = std::move(store).value();
        driver::Settings settings;
        settings.engine = "unit";
        settings.root = scratch_ / "root";
        settings.run = scratch_ / "run";
        drivers_ = std::make_unique<driver::Registry>(settings);
        driver::Settings of_layers = settings;
        driver::Wanted copy;
        copy.name = "copy";
        of_layers.path = {GANTRY_DRIVERS};
        of_layers.drivers = {copy};
        layer_drivers_ = std::make_unique<driver::Registry>(of_layers);
        auto layers = layer_drivers_->get(driver::Kind::layer, "copy");
        ASSERT_TRUE(layers) << layers.error().text;
        auto images = image::ImageStore::open(scratch_ / "root/images", *store_, *layers);
        ASSERT_TRUE(images) << images.error().text;
        images_ = std::move(images).value();
        auto volumes = volume::VolumeService::open(*store_, *drivers_, config_.defaults.volume);
        ASSERT_TRUE(volumes) << volumes.error().text;
        volumes_ = std::move(volumes).value();
        network::Settings network_settings;
        network_settings.engine = "unit";
        network_settings.run = scratch_ / "run";
        network_settings.default_driver = config_.defaults.network;
        network_settings.host_driver = config_.defaults.host_network;
        network_settings.none_driver = config_.defaults.none_network;
        network_settings.address_pools = config_.address_pools;
        auto networks = network::NetworkService::open(network_settings, *store_, *drivers_);
        ASSERT_TRUE(networks) << networks.error().text;
        networks_ = std::move(networks).value();
        events_ = std::make_unique<daemon::EventBus>(*store_, 100);
        deps_ = std::unique_ptr<daemon::Deps>(new daemon::Deps{live_, *store_, *drivers_, settings, *images_, *volumes_,
                                                               *networks_, *events_, "unit", "engine-id",
                                                               scratch_ / "root", scratch_ / "run"});
        auto registries = image::registry::Service::open(*images_, scratch_ / "root/images",
                                                         [] { return image::registry::Settings(); });
        ASSERT_TRUE(registries) << registries.error().text;
        registries_ = std::move(registries).value();
        deps_->registries = registries_.get();
        deps_->container_counts = [] { return daemon::ContainerCounts{3, 1, 0, 2}; };
        deps_->containers_of_images = [] { return std::map<std::string, std::vector<std::string>>(); };
        deps_->fetch = [](const std::string&, const image::Progress&, const daemon::Deps::Watch&) -> Result<UniqueFd> {
            return fail(Code::denied, "nothing is fetched here");
        };
        deps_->user_of_image = [](const std::string&) { return std::string(); };
        deps_->connect_network = deps_->disconnect_network = [](const std::string&, const Json&) -> Result<void> {
            return fail(Code::not_found, "No such container: web");
        };
        deps_->runtime_drivers = []() -> Result<Json> {
            return Json::array({{{"name", "r"}, {"kind", "runtime"}, {"file", "/x/runtime-r.so"}, {"problem", ""}}});
        };
        auto plugins = plugin::PluginService::open(
            {"unit", scratch_ / "root", scratch_ / "run"},
            {*store_, *registries_,
             []() -> Result<container::Launcher*> { return fail(Code::internal, "there is no launcher here"); },
             [] { return container::CreateDefaults(); },
             [this](std::string_view action, const std::string& id, const Json& attributes) {
                 events_->publish("plugin", action, id, attributes);
             }});
        ASSERT_TRUE(plugins) << plugins.error().text;
        plugins_ = std::move(plugins).value();
        deps_->plugins = plugins_.get();
        deps_->shut_down = [this](bool containers) { shut_down_ = containers ? 2 : 1; };
        daemon::register_system(router_, *deps_);
        daemon::register_images(router_, *deps_);
        daemon::register_registries(router_, *deps_);
        daemon::register_volumes(router_, *deps_);
        daemon::register_networks(router_, *deps_);
        daemon::register_drivers(router_, *deps_);
        daemon::register_engine(router_, *deps_);
        daemon::register_image_attestations(router_, *deps_);
        daemon::register_plugins(router_, *deps_);
        daemon::register_swarm(router_);
        start();
    }
    void TearDown() override {
        stop();
        events_.reset();
    }

    struct Answer {
        int status = 0;
        Json body;
    };
    Answer call(const std::string& method, const std::string& target, const std::string& body = {}) {
        std::string request = method + " " + target + " HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n";
        if (!body.empty())
            request += "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
        const std::string reply = exchange(request + "\r\n" + body);
        Answer answer;
        if (reply.size() > 12) answer.status = std::atoi(reply.c_str() + 9);
        const std::size_t end = reply.find("\r\n\r\n");
        if (end != std::string::npos) answer.body = Json::parse(reply.substr(end + 4), nullptr, false);
        return answer;
    }
    std::string message(const Answer& answer) {
        return answer.body.is_object() ? answer.body.value("message", "") : answer.body.dump();
    }

    config::Config config_;
    config::Live live_{config_};
    std::unique_ptr<store::Store> store_;
    std::unique_ptr<driver::Registry> drivers_, layer_drivers_;
    std::unique_ptr<image::ImageStore> images_;
    std::unique_ptr<volume::VolumeService> volumes_;
    std::unique_ptr<network::NetworkService> networks_;
    std::unique_ptr<daemon::EventBus> events_;
    std::unique_ptr<image::registry::Service> registries_;
    std::unique_ptr<plugin::PluginService> plugins_;
    std::unique_ptr<daemon::Deps> deps_;
    std::atomic<int> shut_down_ = 0;
};

}  // namespace

TEST_F(Api, tells_what_the_engine_and_its_host_are) {
    const Answer version = call("GET", "/v1.47/version");
    EXPECT_EQ(version.status, 200);
    EXPECT_EQ(version.body["ApiVersion"], "1.56");
    EXPECT_EQ(version.body["MinAPIVersion"], "1.24");
    EXPECT_EQ(version.body["Os"], "linux");
    const Answer info = call("GET", "/info");
    EXPECT_EQ(info.status, 200) << info.body;
    EXPECT_EQ(info.body["ID"], "engine-id");
    EXPECT_EQ(info.body["Containers"], 3);
    EXPECT_EQ(info.body["ContainersStopped"], 2);
    EXPECT_EQ(info.body["Images"], 0);
    EXPECT_GT(info.body["MemTotal"].get<std::int64_t>(), 1 << 20);
    EXPECT_GT(info.body["NCPU"].get<int>(), 0);
    EXPECT_EQ(info.body["DockerRootDir"], scratch_ / "root");
    EXPECT_EQ(info.body["Runtimes"]["r"]["path"], "/x/runtime-r.so");
    EXPECT_EQ(info.body["Swarm"]["LocalNodeState"], "inactive");
    const std::string ping = exchange("HEAD /_ping HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n");
    EXPECT_EQ(status_line(ping), "HTTP/1.1 200 OK");
    EXPECT_NE(ping.find("Api-Version: 1.56"), std::string::npos);
}

TEST_F(Api, answers_for_images_that_are_not_there) {
    EXPECT_EQ(call("GET", "/images/json").body, Json::array());
    for (const char* target : {"/images/nothing/json", "/images/a%2Fnothing/history"}) {
        const Answer answer = call("GET", target);
        EXPECT_EQ(answer.status, 404) << answer.body;
        EXPECT_EQ(message(answer).rfind("No such image: ", 0), 0u) << answer.body;
    }
    EXPECT_EQ(call("DELETE", "/images/nothing").status, 404);
    EXPECT_EQ(call("POST", "/images/nothing/tag?repo=a&tag=b").status, 404);
    EXPECT_EQ(call("POST", "/images/nothing/tag").status, 400);
    EXPECT_EQ(call("GET", "/images/json?filters=%7B%22nothing%22%3A%5B%22x%22%5D%7D").status, 400);
    EXPECT_EQ(call("GET", "/images/json?filters=x").status, 400);
    EXPECT_EQ(call("GET", "/images/json?shared-size=1").status, 200);
    EXPECT_EQ(call("GET", "/images/json?manifests=1").status, 200);
    EXPECT_EQ(call("POST", "/images/create?fromImage=Bad&tag=12").status, 400);
    EXPECT_EQ(call("POST", "/images/create?fromImage=debian&tag=12&platform=a/b/c/d").status, 400);
    EXPECT_EQ(call("POST", "/images/nothing/push?tag=1").status, 404);
    EXPECT_EQ(call("POST", "/images/nothing/push?tag=a/b").status, 400);
    EXPECT_EQ(call("GET", "/images/search").status, 400);
    EXPECT_EQ(call("GET", "/images/search?term=x&limit=1000").status, 400);
    EXPECT_EQ(call("POST", "/auth", R"({"serveraddress":"a b","username":"u","password":"p"})").status, 400);
    EXPECT_EQ(call("POST", "/auth", R"({"username":7})").status, 400);
    EXPECT_EQ(call("GET", "/distribution/Bad/json").status, 400);
    EXPECT_EQ(message(call("POST", "/images/create?fromSrc=http://x/y.tar")), "nothing is fetched here");
    EXPECT_EQ(call("POST", "/images/create").status, 400);
}

TEST_F(Api, refuses_an_archive_that_is_none) {
    const std::string junk(5000, 'x');
    const std::string reply = exchange(
        "POST /images/load HTTP/1.1\r\nHost: docker\r\nContent-Type: application/x-tar\r\nConnection: "
        "close\r\nContent-Length: 5000\r\n\r\n" +
        junk);
    EXPECT_EQ(status_line(reply), "HTTP/1.1 400 Bad Request") << reply;
    EXPECT_EQ(call("GET", "/images/json").body, Json::array());
}

TEST_F(Api, checks_what_a_bootstrap_is_asked_for) {
    EXPECT_EQ(call("POST", "/gantry/images/bootstrap", "{\"reference\": 3}").status, 400);
    EXPECT_EQ(call("POST", "/gantry/images/bootstrap", "{\"nothing\": 3}").status, 400);
    EXPECT_EQ(call("POST", "/gantry/images/bootstrap", "{\"include\": [3]}").status, 400);
}

TEST_F(Api, answers_for_volumes) {
    EXPECT_EQ(call("GET", "/volumes").body["Volumes"], Json::array());
    EXPECT_EQ(call("GET", "/volumes/nothing").status, 404);
    EXPECT_EQ(call("DELETE", "/volumes/nothing").status, 404);
    EXPECT_EQ(call("DELETE", "/volumes/nothing?force=1").status, 204);
    EXPECT_EQ(call("POST", "/volumes/create", "{\"Labels\": {\"a\": 1}}").status, 400);
    EXPECT_EQ(call("POST", "/volumes/create", "{\"Name\": []}").status, 400);
    const Answer no_driver = call("POST", "/volumes/create", "{\"Name\": \"data\", \"Driver\": \"nothing\"}");
    EXPECT_GE(no_driver.status, 400);
    EXPECT_NE(message(no_driver).find("nothing"), std::string::npos) << no_driver.body;
    EXPECT_EQ(call("GET", "/volumes/a%2Fb").status, 400);
    EXPECT_EQ(call("GET", "/volumes/..").status, 400);
}

TEST_F(Api, answers_for_networks) {
    const Answer all = call("GET", "/networks");
    EXPECT_EQ(all.status, 200);
    EXPECT_EQ(all.body.size(), 3u) << all.body;
    EXPECT_EQ(call("GET", "/networks?filters=%7B%22type%22%3A%5B%22custom%22%5D%7D").body, Json::array());
    EXPECT_EQ(call("GET", "/networks?filters=%7B%22type%22%3A%5B%22x%22%5D%7D").status, 400);
    EXPECT_EQ(call("GET", "/networks/nothing").status, 404);
    EXPECT_EQ(call("DELETE", "/networks/nothing").status, 404);
    EXPECT_EQ(call("POST", "/networks/none/connect", "{}").status, 400);
    EXPECT_EQ(message(call("POST", "/networks/none/connect", "{\"Container\": \"web\"}")), "No such container: web");
    EXPECT_EQ(call("POST", "/networks/nothing/connect", "{\"Container\": \"web\"}").status, 404);
}

TEST_F(Api, shows_drivers) {
    EXPECT_EQ(call("GET", "/gantry/drivers").body.size(), 1u);
    EXPECT_EQ(call("GET", "/gantry/drivers/r").body["kind"], "runtime");
    EXPECT_EQ(call("GET", "/gantry/drivers/q").status, 404);
    EXPECT_EQ(call("POST", "/gantry/drivers/check", "{\"file\": \"relative\"}").status, 400);
    const Answer checked = call("POST", "/gantry/drivers/check", "{\"file\": \"/nothing/network-x.so\"}");
    EXPECT_EQ(checked.status, 200) << checked.body;
    EXPECT_EQ(checked.body["ok"], false);
}

TEST_F(Api, streams_events_until_the_client_goes) {
    Client client(settings_.socket_path);
    client.send("GET /v1.47/events?filters=%7B%22type%22%3A%5B%22volume%22%5D%7D HTTP/1.1\r\nHost: docker\r\n\r\n");
    client.read("\r\n\r\n");
    for (int i = 0; i < 300 && events_->subscribers() == 0; ++i) ::usleep(10'000);
    events_->publish("network", "create", "n", Json::object());
    events_->publish("volume", "create", "data", {{"driver", "x"}});
    const std::string reply = client.read("}\n\r\n");
    EXPECT_NE(reply.find("\"Action\":\"create\""), std::string::npos);
    EXPECT_EQ(reply.find("network"), std::string::npos);
    client.close();
    for (int i = 0; i < 300 && events_->subscribers() != 0; ++i) ::usleep(10'000);
    EXPECT_EQ(events_->subscribers(), 0u);
    EXPECT_EQ(call("GET", "/events?since=20&until=10").status, 400);
    EXPECT_EQ(call("GET", "/events?since=x").status, 400);
    EXPECT_EQ(call("GET", "/events?filters=%7B%22x%22%3A%5B%22y%22%5D%7D").status, 400);
}

TEST_F(Api, says_what_it_does_not_have) {
    EXPECT_EQ(call("GET", "/images/a/b/attestations").status, 404);
    EXPECT_EQ(call("GET", "/plugins").body, Json::array());
    EXPECT_EQ(message(call("GET", "/plugins/a/b:1/json")), "plugin \"a/b:1\" not found");
    EXPECT_EQ(call("POST", "/plugins/pull", "[]").status, 400);
    EXPECT_EQ(call("POST", "/plugins/pull?remote=x", "{}").status, 400);
    EXPECT_EQ(call("POST", "/plugins/a/set", "[5]").status, 400);
    EXPECT_EQ(call("PUT", "/volumes/nothing?version=x").status, 400);
    EXPECT_EQ(call("PUT", "/volumes/nothing?version=1").status, 404);
    EXPECT_EQ(message(call("POST", "/swarm/leave")), "This node is not part of a swarm");
    EXPECT_EQ(call("POST", "/swarm/init", "{}").status, 503);
    for (const char* target : {"/swarm", "/nodes", "/services", "/tasks", "/secrets", "/configs"}) {
        const Answer answer = call("GET", target);
        EXPECT_EQ(answer.status, 503);
        EXPECT_EQ(message(answer).rfind("This node is not a swarm manager.", 0), 0u);
    }
    EXPECT_EQ(call("GET", "/nothing").status, 404);
    EXPECT_EQ(call("PATCH", "/info").status, 404);
    EXPECT_EQ(message(call("PATCH", "/info")), "page not found");
}

TEST_F(Api, ends_when_it_is_told_to) {
    EXPECT_EQ(call("POST", "/gantry/shutdown", "{\"containers\": 3}").status, 400);
    EXPECT_EQ(shut_down_, 0);
    EXPECT_EQ(call("POST", "/gantry/shutdown", "{\"containers\": true}").status, 202);
    for (int i = 0; i < 300 && shut_down_ == 0; ++i) ::usleep(10'000);
    EXPECT_EQ(shut_down_, 2);
}
