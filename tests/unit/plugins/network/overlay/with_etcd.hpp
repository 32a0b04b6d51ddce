// Two hosts that share an etcd of their own.
#pragma once
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include "plugins/network/overlay/etcd.hpp"
#include "tests/unit/plugins/network/overlay/two_hosts.hpp"

namespace gantry::overlay {

inline constexpr const char* url = "http://10.77.0.1:2379";

class OverlayStore : public ::testing::Test {
protected:
    std::string path_;
    HostUnderTest a_, b_;
    Json network_a_, network_b_;
    pid_t etcd_ = 0;

    void SetUp() override {
        if (::geteuid() != 0) GTEST_SKIP() << "needs root: it makes network namespaces";
        if (std::system("command -v etcd >/dev/null") != 0) GTEST_SKIP() << "etcd is not installed";
        char name[] = "/tmp/overlay-store-XXXXXX";
        path_ = ::mkdtemp(name);
        a_.netns = make_host_netns();
        b_.netns = make_host_netns();
        ASSERT_TRUE(a_.netns && b_.netns && join_hosts(a_.netns, b_.netns));
        start_etcd();
        network_a_ = network_named("aaaaaaaaaaaaaaaa", {{"etcd", url}});
        network_b_ = network_named("bbbbbbbbbbbbbbbb", {{"etcd", url}});
        for (HostUnderTest* host : {&a_, &b_}) open(*host);
    }
    void TearDown() override {
        a_.driver.reset();
        b_.driver.reset();
        stop_etcd();
        if (!path_.empty()) std::filesystem::remove_all(path_);
    }
    void open(HostUnderTest& host) {
        const std::string root = path_ + (&host == &a_ ? "/a" : "/b");
        std::filesystem::create_directories(root);
        host.driver = inside(host.netns.get(), [&] {
            auto opened = FakeHost::open(GANTRY_OVERLAY_DRIVER, root, Json::object());
            if (!opened) ADD_FAILURE() << opened.error().text;
            return opened ? std::move(opened).value() : nullptr;
        });
    }
    void start_etcd() {
        const std::string data = path_ + "/etcd", log = path_ + "/etcd.log";
        inside(a_.netns.get(), [&] {
            posix_spawn_file_actions_t actions;
            posix_spawn_file_actions_init(&actions);
            posix_spawn_file_actions_addopen(&actions, 1, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
            posix_spawn_file_actions_adddup2(&actions, 1, 2);
            const std::vector<std::string> words{"etcd",
                                                 "--data-dir",
                                                 data,
                                                 "--unsafe-no-fsync",
                                                 "--listen-client-urls",
                                                 url,
                                                 "--advertise-client-urls",
                                                 url,
                                                 "--listen-peer-urls",
                                                 "http://127.0.0.1:2380"};
            std::vector<char*> argv;
            for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
            argv.push_back(nullptr);
            EXPECT_EQ(::posix_spawnp(&etcd_, "etcd", &actions, nullptr, argv.data(), environ), 0);
            posix_spawn_file_actions_destroy(&actions);
            return 0;
        });
        ASSERT_TRUE(soon([&] { return keys().has_value(); })) << "etcd does not answer";
    }
    void stop_etcd() {
        if (etcd_ == 0) return;
        ::kill(etcd_, SIGKILL);
        ::waitpid(etcd_, nullptr, 0);
        etcd_ = 0;
    }
    // Every key that there is.
    std::optional<std::vector<std::string>> keys() {
        return inside(b_.netns.get(), [] {
            Etcd etcd({{url}, "", "", ""});
            auto listing = etcd.list("/gantry/");
            std::optional<std::vector<std::string>> all;
            if (!listing) return all;
            all.emplace();
            for (const KeyValue& entry : listing->entries) all->push_back(entry.key);
            return all;
        });
    }
    template <typename F>
    static bool soon(F true_at_last, int milliseconds = 20'000) {
        for (int waited = 0; waited < milliseconds; waited += 20) {
            if (true_at_last()) return true;
            ::usleep(20'000);
        }
        return false;
    }
    std::string first_address(HostUnderTest& host, const Json& network) {
        Outcome ranges = host.call(GANTRY_NETWORK_IPAM, "ranges", {{"network", network}});
        EXPECT_EQ(ranges.status, GANTRY_OK) << ranges.message;
        const std::string range = ranges.result["ranges"].at(0);
        const std::string base = range.substr(0, range.find('/'));
        const std::size_t dot = base.rfind('.') + 1;
        return base.substr(0, dot) + std::to_string(std::atoi(base.c_str() + dot) + 2);
    }
    void ensure_both() {
        Outcome done = a_.call(GANTRY_NETWORK, "ensure", {{"network", network_a_}});
        ASSERT_EQ(done.status, GANTRY_OK) << done.message;
        Json proposal = network_b_;
        proposal["subnets"][0] = {{"subnet", "10.12.0.0/16"}, {"gateway", "10.12.0.1"}};
        done = b_.call(GANTRY_NETWORK_IPAM, "agree", {{"network", proposal}, {"fixed", false}});
        ASSERT_EQ(done.status, GANTRY_OK) << done.message;
        EXPECT_EQ(done.result["subnets"], network_a_["subnets"]);
        done = b_.call(GANTRY_NETWORK, "ensure", {{"network", network_b_}});
        ASSERT_EQ(done.status, GANTRY_OK) << done.message;
    }
    void remove_both() {
        EXPECT_EQ(a_.call(GANTRY_NETWORK, "remove", {{"network", network_a_}}).status, GANTRY_OK);
        EXPECT_EQ(b_.call(GANTRY_NETWORK, "remove", {{"network", network_b_}}).status, GANTRY_OK);
        EXPECT_EQ(keys(), std::vector<std::string>());
    }
    // Those that b knows of a, by the names of its containers.
    std::string names_on(HostUnderTest& host, const Json& network) {
        std::string names;
        const Outcome told = host.call(GANTRY_NETWORK_PEERS, "peers", {{"network", network}});
        for (const Json& peer : told.result["peers"])
            for (const Json& one : peer["endpoints"]) names += one["names"].at(0).get<std::string>() + " ";
        return names;
    }
};

}  // namespace gantry::overlay
