// Networks with IPv6, beside IPv4 and alone.
#include <gmock/gmock.h>

#include "core/base/files.hpp"
#include "testbed.hpp"

namespace gantry::network::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using DualStack = Bed;

Json both(const char* name, const char* four = "10.44.0.0/24", const char* six = "fd00:44::/64") {
    return {{"Name", name}, {"EnableIPv6", true}, {"IPAM", {{"Config", {{{"Subnet", four}}, {{"Subnet", six}}}}}}};
}

TEST_F(DualStack, gives_addresses_and_routes_of_both_families) {
    ASSERT_TRUE(service->create(both("front")));
    auto a = service->attach("aaaa", "web", "web", "front", {}, {});
    ASSERT_TRUE(a) << a.error().text;
    const Json settings = a->settings.at("front");
    EXPECT_EQ(settings.at("IPAddress"), "10.44.0.2");
    EXPECT_EQ(settings.at("GlobalIPv6Address"), "fd00:44::2");
    EXPECT_EQ(settings.at("GlobalIPv6PrefixLen"), 64);
    EXPECT_EQ(settings.at("IPv6Gateway"), "fd00:44::1");
    EXPECT_EQ(a->hosts,
              (std::vector<std::pair<std::string, std::string>>{{"10.44.0.2", "web"}, {"fd00:44::2", "web"}}));
    const std::string shown = run_in(a->netns.get(), {"ip", "address", "show", "eth0"});
    EXPECT_THAT(shown, HasSubstr("inet 10.44.0.2/24"));
    EXPECT_THAT(shown, HasSubstr("inet6 fd00:44::2/64 scope global nodad")) << "usable at once";
    EXPECT_THAT(run_in(a->netns.get(), {"cat", "/proc/net/igmp6"}),
                HasSubstr("eth0            ff0200000000000000000001ff000002"))
        << "who asks for it is heard";
    EXPECT_THAT(run_in(a->netns.get(), {"ip", "-6", "route"}), HasSubstr("default via fd00:44::1 dev eth0"));
    const Json seen = inspect("front");
    EXPECT_EQ(seen.at("EnableIPv6"), true);
    EXPECT_EQ(seen.at("IPAM").at("Config").size(), 2u);
    EXPECT_EQ(seen.at("Containers").at("aaaa").at("IPv6Address"), "fd00:44::2/64");
    EXPECT_EQ(seen.at("Status").at("IPAM").at("Subnets").at("fd00:44::/64").at("IPsInUse"), 3);

    auto b = service->attach("bbbb", "db", "db", "front", {}, {});
    ASSERT_TRUE(b) << b.error().text;
    UniqueFd listener = listen_in(b->netns.get(), 80, "::");
    EXPECT_EQ(reach(a->netns.get(), "fd00:44::3", 80, listener.get()), "fd00:44::2");
    UniqueFd at_host = listen_in(-1, 8080, "::");
    EXPECT_EQ(reach(a->netns.get(), "fd00:44::1", 8080, at_host.get()), "fd00:44::2");
    UniqueFd outside = listen_in(neighbour.get(), 81, "::");
    EXPECT_EQ(reach(a->netns.get(), neighbour_address6, 81, outside.get()), host_address6) << "masqueraded";
}

TEST_F(DualStack, chooses_a_subnet_of_its_own_range_where_none_is_given) {
    ASSERT_TRUE(service->create({{"Name", "one"}, {"EnableIPv6", true}}));
    ASSERT_TRUE(service->create({{"Name", "two"}, {"EnableIPv6", true}}));
    EXPECT_EQ(inspect("one").at("IPAM").at("Config").at(1).at("Subnet"), "fd12:3456:789a::/64");
    EXPECT_EQ(inspect("two").at("IPAM").at("Config").at(1).at("Subnet"), "fd12:3456:789a:1::/64");
    auto overlapping = service->create(both("three", "10.44.0.0/24", "fd12:3456::/32"));
    ASSERT_FALSE(overlapping);
    EXPECT_THAT(overlapping.error().text, HasSubstr("Pool overlaps"));
}

TEST_F(DualStack, works_without_ipv4) {
    ASSERT_TRUE(service->create({{"Name", "six"}, {"EnableIPv4", false}, {"EnableIPv6", true}}));
    auto a = service->attach("aaaa", "a", "a", "six", {}, {tcp(4000, 80, "")});
    ASSERT_TRUE(a) << a.error().text;
    const Json settings = a->settings.at("six");
    EXPECT_EQ(settings.at("IPAddress"), "");
    EXPECT_EQ(settings.at("Gateway"), "");
    const std::string address = settings.at("GlobalIPv6Address");
    EXPECT_EQ(address, "fd12:3456:789a::2");
    EXPECT_EQ(a->resolvers, std::vector<std::string>{"fd12:3456:789a::1"});
    ASSERT_EQ(a->ports.size(), 1u);
    EXPECT_EQ(a->ports.front().host_address, "::");
    EXPECT_THAT(run_in(a->netns.get(), {"ip", "-4", "address", "show", "eth0"}), Not(HasSubstr("inet ")));
    UniqueFd listener = listen_in(a->netns.get(), 80, "::");
    EXPECT_EQ(reach(neighbour.get(), host_address6, 4000, listener.get()), neighbour_address6);
    auto four = service->attach("bbbb", "b", "b", "six", {}, {tcp(4001, 80, "0.0.0.0")});
    ASSERT_FALSE(four);
    EXPECT_THAT(four.error().text, HasSubstr("network \"six\" has no IPv4"));
}

TEST_F(DualStack, publishes_on_both_families_with_one_number) {
    ASSERT_TRUE(service->create(both("front")));
    auto a = service->attach("aaaa", "a", "a", "front", {}, {tcp(4000, 80, ""), tcp(0, 81, "")});
    ASSERT_TRUE(a) << a.error().text;
    ASSERT_EQ(a->ports.size(), 4u);
    EXPECT_EQ(a->ports[0], tcp(4000, 80));
    EXPECT_EQ(a->ports[1], tcp(4000, 80, "::"));
    EXPECT_EQ(a->ports[2].host_port, a->ports[3].host_port);
    UniqueFd listener = listen_in(a->netns.get(), 80, "::");
    EXPECT_EQ(reach(neighbour.get(), host_address6, 4000, listener.get()), neighbour_address6);
    UniqueFd listener4 = listen_in(a->netns.get(), 81);
    EXPECT_EQ(reach(neighbour.get(), host_address, a->ports[2].host_port, listener4.get()), neighbour_address);
    EXPECT_TRUE(reach(-1, host_address6, 4000, listener.get())) << "from the host itself";
    EXPECT_TRUE(reach(a->netns.get(), host_address6, 4000, listener.get())) << "from the container itself";
    auto taken = service->attach("bbbb", "b", "b", "front", {}, {tcp(4000, 80, "::")});
    ASSERT_FALSE(taken);
    EXPECT_THAT(taken.error().text, HasSubstr("Bind for :::4000 failed: port is already allocated"));
    ASSERT_TRUE(service->detach("aaaa", true));
    EXPECT_THAT(ruleset(), Not(HasSubstr("4000")));
}

TEST_F(DualStack, keeps_neighbours_out_of_what_is_not_published) {
    ASSERT_TRUE(service->create(both("front")));
    ASSERT_TRUE(service->create(both("back", "10.45.0.0/24", "fd00:45::/64")));
    auto a = service->attach("aaaa", "a", "a", "front", {}, {tcp(4000, 80, "127.0.0.1")});
    auto b = service->attach("bbbb", "b", "b", "back", {}, {});
    ASSERT_TRUE(a && b);
    run_in(neighbour.get(), {"ip", "route", "add", "fd00:44::/64", "via", host_address6});
    UniqueFd listener = listen_in(a->netns.get(), 80, "::");
    EXPECT_FALSE(reach(neighbour.get(), "fd00:44::2", 80, listener.get()));
    EXPECT_FALSE(reach(b->netns.get(), "fd00:44::2", 80, listener.get()));
    EXPECT_FALSE(reach(neighbour.get(), host_address6, 4000, listener.get())) << "published on 127.0.0.1 alone";
    EXPECT_TRUE(reach(-1, "fd00:44::2", 80, listener.get())) << "the host reaches its containers";
}

TEST_F(DualStack, one_address_of_the_host_does_not_open_the_other_family) {
    Json request = both("front");
    request["Options"] = {{"com.docker.network.bridge.host_binding_ipv4", "127.0.0.1"}};
    ASSERT_TRUE(service->create(request));
    auto a = service->attach("aaaa", "a", "a", "front", {}, {tcp(4000, 80, "")});
    ASSERT_TRUE(a) << a.error().text;
    EXPECT_EQ(a->ports, std::vector<Port>{tcp(4000, 80, "127.0.0.1")});
}

TEST_F(DualStack, forwards_only_as_long_as_a_network_needs_it_and_goes_on_listening_to_routers) {
    const auto value = [&](const std::string& name) { return run({"sysctl", "-n", "net.ipv6.conf." + name}); };
    run({"sysctl", "-qw", "net.ipv6.conf.lan0.accept_ra=1"});
    EXPECT_EQ(value("all.forwarding"), "0\n");
    ASSERT_TRUE(service->create(both("front")));
    EXPECT_EQ(value("all.forwarding"), "1\n");
    EXPECT_EQ(value("lan0.accept_ra"), "2\n");
    ASSERT_TRUE(service->remove("front"));
    service->shut_down();
    EXPECT_EQ(value("all.forwarding"), "0\n");
    EXPECT_EQ(value("lan0.accept_ra"), "1\n");
}

TEST_F(DualStack, an_internal_network_has_no_way_out) {
    Json request = both("front");
    request["Internal"] = true;
    ASSERT_TRUE(service->create(request));
    auto a = service->attach("aaaa", "a", "a", "front", {}, {});
    auto b = service->attach("bbbb", "b", "b", "front", {}, {});
    ASSERT_TRUE(a && b);
    EXPECT_THAT(run_in(a->netns.get(), {"ip", "-6", "route"}), Not(HasSubstr("default")));
    UniqueFd listener = listen_in(b->netns.get(), 80, "::");
    EXPECT_TRUE(reach(a->netns.get(), "fd00:44::3", 80, listener.get()));
    UniqueFd at_host = listen_in(-1, 8080, "::");
    EXPECT_FALSE(reach(a->netns.get(), "fd00:44::1", 8080, at_host.get()));
}

TEST_F(DualStack, a_restarted_engine_knows_addresses_and_ports) {
    ASSERT_TRUE(service->create(both("front")));
    auto a = service->attach("aaaa", "a", "a", "front", {{"front", {}, "", "", {}, 0, {}, "fd00:44::77"}},
                             {tcp(4000, 80, "")});
    ASSERT_TRUE(a) << a.error().text;
    EXPECT_EQ(a->settings.at("front").at("GlobalIPv6Address"), "fd00:44::77");
    reopen();
    ASSERT_TRUE(service->reconcile({"aaaa"}));
    const Attached again = service->settings_of("aaaa");
    EXPECT_EQ(again.ports, a->ports);
    EXPECT_EQ(again.settings, a->settings);
    UniqueFd listener = listen_in(a->netns.get(), 80, "::");
    EXPECT_EQ(reach(neighbour.get(), host_address6, 4000, listener.get()), neighbour_address6);
    auto taken = service->attach("bbbb", "b", "b", "front", {{"front", {}, "", "", {}, 0, {}, "fd00:44::77"}}, {});
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().text, "Address already in use");
}

TEST_F(DualStack, tells_what_is_wrong) {
    const auto error = [&](const Json& request) {
        auto made = service->create(request);
        return made ? std::string() : made.error().text;
    };
    EXPECT_EQ(error({{"Name", "a"}, {"EnableIPv4", false}}), "IPv4 or IPv6 must be enabled");
    EXPECT_THAT(error({{"Name", "a"}, {"IPAM", {{"Config", {{{"Subnet", "fd00:44::/64"}}}}}}}),
                HasSubstr("subnet fd00:44::/64 needs IPv6, which is not enabled"));
    EXPECT_THAT(error(both("a", "10.44.0.0/24", "fd00:44::1/64")), HasSubstr("it should be fd00:44::/64"));
    EXPECT_THAT(error(both("a", "10.44.0.0/24", "fd00:44::/127")), HasSubstr("no room"));
    EXPECT_THAT(error(both("a", "10.44.0.0/24", "fe80::/64")), HasSubstr("not a range of unicast"));
    EXPECT_THAT(error(both("a", "10.44.0.0/24", "ff02::/64")), HasSubstr("not a range of unicast"));
    EXPECT_THAT(error(both("a", "10.44.0.0/24", "fd00::xyz/64")), HasSubstr("invalid CIDR block notation"));
    EXPECT_THAT(error(both("a", "fd00:45::/64", "fd00:44::/64")), HasSubstr("one IPv6 subnet at most"));
    auto port = service->check("bridge", {}, {tcp(80, 80, "::1")});
    ASSERT_FALSE(port);
    EXPECT_EQ(port.error().code, Code::unsupported);
    EXPECT_EQ(service->list().size(), 3u);
}

}  // namespace
}  // namespace gantry::network::test
