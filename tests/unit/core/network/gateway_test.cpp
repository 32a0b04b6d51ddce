// How a bridge network is reached from elsewhere, and how large its packets are.
#include <gmock/gmock.h>

#include "core/base/files.hpp"
#include "testbed.hpp"

namespace gantry::network::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Gateway = Bed;

constexpr const char* mode4 = "com.docker.network.bridge.gateway_mode_ipv4";
constexpr const char* mode6 = "com.docker.network.bridge.gateway_mode_ipv6";
constexpr const char* mtu = "com.docker.network.driver.mtu";

Json with(const Json& options, bool internal = false) {
    return {{"Name", "front"},
            {"Internal", internal},
            {"EnableIPv6", true},
            {"Options", options},
            {"IPAM", {{"Config", {{{"Subnet", "10.44.0.0/24"}}, {{"Subnet", "fd00:44::/64"}}}}}}};
}

TEST_F(Gateway, unprotected_opens_the_family_it_is_asked_for) {
    ASSERT_TRUE(service->create(with({{mode4, "nat-unprotected"}})));
    auto a = service->attach("aaaa", "a", "a", "front", {}, {});
    ASSERT_TRUE(a) << a.error().text;
    run_in(neighbour.get(), {"ip", "route", "add", "10.44.0.0/24", "via", host_address});
    run_in(neighbour.get(), {"ip", "route", "add", "fd00:44::/64", "via", host_address6});
    UniqueFd listener = listen_in(a->netns.get(), 80, "::");
    EXPECT_TRUE(reach(neighbour.get(), "10.44.0.2", 80, listener.get()));
    EXPECT_FALSE(reach(neighbour.get(), "fd00:44::2", 80, listener.get()));
    UniqueFd outside = listen_in(neighbour.get(), 81);
    EXPECT_EQ(reach(a->netns.get(), neighbour_address, 81, outside.get()), host_address) << "still masqueraded";
    ASSERT_TRUE(service->detach("aaaa", true));
    ASSERT_TRUE(service->remove("front"));
    EXPECT_EQ(ruleset(), "");
}

TEST_F(Gateway, an_isolated_network_has_no_host_in_it) {
    ASSERT_TRUE(service->create(with({{mode4, "isolated"}, {mode6, "isolated"}}, true)));
    auto a = service->attach("aaaa", "a", "a", "front", {}, {});
    auto b = service->attach("bbbb", "b", "b", "front", {}, {});
    ASSERT_TRUE(a && b);
    EXPECT_TRUE(a->resolvers.empty());
    EXPECT_THAT(run({"ip", "-br", "address"}), Not(HasSubstr("10.44.0.1")));
    EXPECT_THAT(run({"ip", "-br", "address"}), Not(HasSubstr("fd00:44::1")));
    UniqueFd listener = listen_in(b->netns.get(), 80, "::");
    EXPECT_TRUE(reach(a->netns.get(), "fd00:44::3", 80, listener.get()));
    EXPECT_FALSE(reach(-1, "10.44.0.3", 80, listener.get()));
}

TEST_F(Gateway, says_what_a_mode_needs) {
    auto open = service->create(with({{mode6, "isolated"}}));
    ASSERT_FALSE(open);
    EXPECT_THAT(open.error().text, HasSubstr("gateway_mode_ipv6\": \"isolated\" needs an internal network"));
    auto unknown = service->create(with({{mode4, "routed"}}));
    ASSERT_FALSE(unknown);
    EXPECT_THAT(unknown.error().text, HasSubstr("nat-unprotected"));
}

TEST_F(Gateway, packets_are_as_large_as_the_hosts_way_out_takes) {
    run({"ip", "link", "set", "lan0", "mtu", "1400"});
    run({"ip", "route", "add", "default", "via", neighbour_address});
    ASSERT_TRUE(service->create(with(Json::object())));
    auto a = service->attach("aaaa", "a", "a", "front", {}, {});
    ASSERT_TRUE(a) << a.error().text;
    EXPECT_THAT(run_in(a->netns.get(), {"ip", "link", "show", "eth0"}), HasSubstr("mtu 1400"));
    ASSERT_TRUE(service->detach("aaaa", true));
    ASSERT_TRUE(service->remove("front"));
    ASSERT_TRUE(service->create(with({{mtu, "1300"}})));
    auto b = service->attach("bbbb", "b", "b", "front", {}, {});
    ASSERT_TRUE(b) << b.error().text;
    EXPECT_THAT(run_in(b->netns.get(), {"ip", "link", "show", "eth0"}), HasSubstr("mtu 1300"));
    auto small = service->create({{"Name", "small"}, {"EnableIPv6", true}, {"Options", {{mtu, "1200"}}}});
    ASSERT_FALSE(small);
    EXPECT_THAT(small.error().text, HasSubstr("1200 is less than IPv6's 1280"));
}

TEST_F(Gateway, both_ends_of_a_connection_learn_what_passes) {
    run({"ip", "link", "set", "lan0", "mtu", "1400"});
    run_in(neighbour.get(), {"ip", "link", "set", "nb0", "mtu", "1400"});
    ASSERT_TRUE(service->create(with({{mtu, "1500"}})));
    auto a = service->attach("aaaa", "a", "a", "front", {}, {});
    ASSERT_TRUE(a) << a.error().text;
    run_in(neighbour.get(), {"nft", "add", "table", "inet", "look"});
    run_in(neighbour.get(), {"nft", "add", "chain", "inet", "look", "in", "{ type filter hook input priority 0; }"});
    run_in(neighbour.get(), {"nft", "add", "rule", "inet", "look", "in", "tcp", "flags", "syn", "tcp", "option",
                             "maxseg", "size", "1360", "counter"});
    UniqueFd outside = listen_in(neighbour.get(), 81);
    EXPECT_TRUE(reach(a->netns.get(), neighbour_address, 81, outside.get()));
    EXPECT_THAT(run_in(neighbour.get(), {"nft", "list", "table", "inet", "look"}), HasSubstr("counter packets 1"));
}

}  // namespace
}  // namespace gantry::network::test
