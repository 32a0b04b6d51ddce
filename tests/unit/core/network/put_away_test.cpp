#include <gmock/gmock.h>
#include <net/if.h>

#include <thread>

#include "testbed.hpp"

namespace gantry::network::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// The bridge of a removed network, until another one takes it or the kernel is rid of it.
class PutAwayBridges : public Bed {
protected:
    void SetUp() override {
        Bed::SetUp();
        if (!service) return;
        ASSERT_TRUE(service->create({{"Name", "stays"}}));
    }
    Json network(const char* name, const char* subnet) {
        return {{"Name", name},
                {"IPAM", {{"Config", {{{"Subnet", subnet}}}}}},
                {"Options", {{"com.docker.network.bridge.name", "br-own"}}}};
    }
    static unsigned index_of(const std::string& link) { return ::if_nametoindex(link.c_str()); }
    bool quiet_comes() {
        for (int i = 0; i < 500 && links().find("gr-") != std::string::npos; ++i)
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
        return links().find("gr-") == std::string::npos;
    }
};

TEST_F(PutAwayBridges, is_gone_for_everyone_at_once_and_for_the_kernel_soon) {
    ASSERT_TRUE(service->create(network("one", "10.77.1.0/24")));
    const std::string there = "gr-" + std::to_string(index_of("br-own"));
    ASSERT_TRUE(service->remove("one"));
    EXPECT_THAT(links(), Not(HasSubstr("br-own")));
    EXPECT_THAT(run({"ip", "-br", "address"}), Not(HasSubstr("10.77.1.1")));
    EXPECT_THAT(run({"ip", "route"}), Not(HasSubstr("10.77.1.0")));
    EXPECT_THAT(ruleset(), Not(HasSubstr("br-own")));
    EXPECT_THAT(run({"ip", "-br", "link", "show", there}), HasSubstr("DOWN"));
    EXPECT_TRUE(quiet_comes());
}

TEST_F(PutAwayBridges, is_taken_by_the_next_network_as_if_it_were_new) {
    ASSERT_TRUE(service->create(network("one", "10.77.1.0/24")));
    ASSERT_NE(index_of("br-own"), 0u);
    const unsigned index = index_of("br-own");
    run({"ip", "address", "add", "10.77.9.1/32", "dev", "br-own"});
    run({"ip", "link", "set", "br-own", "type", "bridge", "stp_state", "1", "ageing_time", "100"});
    ASSERT_TRUE(service->remove("one"));
    ASSERT_TRUE(service->create(network("two", "10.77.2.0/24")));
    EXPECT_EQ(index_of("br-own"), index);
    const std::string shown = run({"ip", "-d", "address", "show", "dev", "br-own"});
    EXPECT_THAT(shown, HasSubstr("02:42:0a:4d:02:01"));
    EXPECT_THAT(shown, HasSubstr("10.77.2.1/24"));
    EXPECT_THAT(shown, Not(HasSubstr("10.77.1.1")));
    EXPECT_THAT(shown, Not(HasSubstr("10.77.9.1")));
    EXPECT_THAT(shown, HasSubstr("stp_state 0"));
    EXPECT_THAT(shown, HasSubstr("ageing_time 30000"));
    EXPECT_THAT(shown, HasSubstr("UP"));
    EXPECT_THAT(shown, HasSubstr("gantry:" + engine + ":" + service->id_of("two").value()));
    auto web = service->attach("web", "web", "web", "two", {}, {tcp(4000, 80)});
    ASSERT_TRUE(web) << web.error().text;
    UniqueFd listener = listen_in(web->netns.get(), 80);
    EXPECT_TRUE(reach(-1, "127.0.0.1", 4000, listener.get()));
    ASSERT_TRUE(service->detach("web", false));
    ASSERT_TRUE(service->remove("two"));
    EXPECT_TRUE(quiet_comes());
}

TEST_F(PutAwayBridges, changes_its_family_with_its_network) {
    Json six = network("one", "fd00:77::/64");
    six["EnableIPv6"] = true;
    six["EnableIPv4"] = false;
    ASSERT_TRUE(service->create(six));
    ASSERT_TRUE(service->remove("one"));
    ASSERT_TRUE(service->create(network("two", "10.77.2.0/24")));
    EXPECT_EQ(run({"cat", "/proc/sys/net/ipv6/conf/br-own/disable_ipv6"}), "1\n");
    EXPECT_THAT(run({"ip", "-6", "-br", "address"}), Not(HasSubstr("br-own")));
    ASSERT_TRUE(service->remove("two"));
    ASSERT_TRUE(service->create(six));
    EXPECT_THAT(run({"ip", "-6", "-br", "address"}), HasSubstr("fd00:77::1/64"));
    ASSERT_TRUE(service->remove("one"));
}

TEST_F(PutAwayBridges, is_removed_by_the_next_engine_where_the_last_one_was_killed) {
    ASSERT_TRUE(service->create(network("one", "10.77.1.0/24")));
    // Killed after it was put away: once with the network's record still there, once without any.
    run({"ip", "link", "set", "br-own", "down"});
    run({"ip", "link", "set", "br-own", "name", "gr-7"});
    run({"ip", "link", "add", "gr-8", "type", "bridge"});
    run({"ip", "link", "set", "gr-8", "alias", "gantry:" + engine + ":0123456789ab"});
    // Somebody else's.
    run({"ip", "link", "add", "gr-9", "type", "bridge"});
    reopen();
    ASSERT_TRUE(service->reconcile({}));
    EXPECT_THAT(links(), Not(HasSubstr("gr-7")));
    EXPECT_THAT(links(), Not(HasSubstr("gr-8")));
    EXPECT_THAT(links(), HasSubstr("br-own"));
    EXPECT_THAT(links(), HasSubstr("gr-9"));
    run({"ip", "link", "delete", "gr-9"});
}

TEST_F(PutAwayBridges, goes_with_the_last_network_and_with_the_engine) {
    ASSERT_TRUE(service->create(network("one", "10.77.1.0/24")));
    ASSERT_TRUE(service->remove("one"));
    EXPECT_THAT(links(), HasSubstr("gr-"));
    ASSERT_TRUE(service->remove("stays"));
    EXPECT_THAT(links(), Not(HasSubstr("gr-")));
    ASSERT_TRUE(service->create({{"Name", "stays"}}));
    ASSERT_TRUE(service->create(network("one", "10.77.1.0/24")));
    ASSERT_TRUE(service->remove("one"));
    reopen();
    EXPECT_THAT(links(), Not(HasSubstr("gr-")));
}

}  // namespace
}  // namespace gantry::network::test
