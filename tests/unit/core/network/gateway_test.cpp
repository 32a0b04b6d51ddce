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

// Prints the type of the first ICMPv6 message that comes back from there.
constexpr const char* echo_request =
    "import socket, sys\n"
    "s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)\n"
    "s.settimeout(3)\n"
    "s.sendto(bytes([128, 0, 0, 0, 0, 1, 0, 1]), (sys.argv[1], 0))\n"
    "while True:\n"
    "    data, where = s.recvfrom(100)\n"
    "    if where[0] == sys.argv[1]:\n"
    "        print(data[0])\n"
    "        break\n";

// IPv4 translated, IPv6 routed.
class Routed : public Bed {
protected:
    void SetUp() override {
        Bed::SetUp();
        if (!service) return;
        ASSERT_TRUE(service->create(with({{mode6, "routed"}})));
        run_in(neighbour.get(), {"ip", "route", "add", "10.44.0.0/24", "via", host_address});
        run_in(neighbour.get(), {"ip", "route", "add", "fd00:44::/64", "via", host_address6});
    }
    Attached start(const std::string& id, const std::vector<Port>& ports) {
        auto attached = service->attach(id, id, id, "front", {}, ports);
        EXPECT_TRUE(attached) << attached.error().text;
        return attached ? std::move(attached).value() : Attached{};
    }
};

TEST_F(Routed, opens_published_ports_at_the_containers_own_addresses) {
    Attached web = start("web", {{"tcp", 80, "", 4000}});
    EXPECT_EQ(web.ports, (std::vector<Port>{{"tcp", 80, "::", 0}, {"tcp", 80, "0.0.0.0", 4000}}));
    UniqueFd listener = listen_in(web.netns.get(), 80, "::"), hidden = listen_in(web.netns.get(), 81, "::");
    EXPECT_EQ(reach(neighbour.get(), "fd00:44::2", 80, listener.get()), neighbour_address6);
    EXPECT_FALSE(reach(neighbour.get(), "fd00:44::2", 81, hidden.get(), 300));
    EXPECT_FALSE(reach(neighbour.get(), "10.44.0.2", 80, listener.get(), 300));
    EXPECT_TRUE(reach(neighbour.get(), host_address, 4000, listener.get()));
    EXPECT_FALSE(reach(neighbour.get(), host_address6, 4000, listener.get(), 300));
    EXPECT_EQ(run_in(neighbour.get(), {"python3", "-c", echo_request, "fd00:44::2"}), "129\n") << "an answer";
    ASSERT_TRUE(service->detach("web", false));
    EXPECT_THAT(ruleset(), Not(HasSubstr("fd00:44::2 .")));
}

TEST_F(Routed, what_leaves_keeps_its_address) {
    Attached web = start("web", {});
    UniqueFd outside = listen_in(neighbour.get(), 81, "::");
    EXPECT_EQ(reach(web.netns.get(), neighbour_address6, 81, outside.get()), "fd00:44::2");
}

TEST_F(Routed, nobodys_port_of_the_host_is_taken) {
    // The same number twice: in this family it is each container's own.
    Attached a = start("a", {{"tcp", 80, "::", 4000}}), b = start("b", {{"tcp", 80, "::", 4000}});
    EXPECT_EQ(a.ports, (std::vector<Port>{{"tcp", 80, "::", 0}}));
    EXPECT_TRUE(store->claims("port")->empty());
    UniqueFd one = listen_in(a.netns.get(), 80, "::"), two = listen_in(b.netns.get(), 80, "::");
    EXPECT_TRUE(reach(neighbour.get(), "fd00:44::2", 80, one.get()));
    EXPECT_TRUE(reach(neighbour.get(), "fd00:44::3", 80, two.get()));
}

TEST_F(Routed, changes_while_it_runs_and_is_kept) {
    Attached web = start("web", {});
    UniqueFd listener = listen_in(web.netns.get(), 80, "::");
    const auto change = [&](const std::vector<Port>& removed, const std::vector<Port>& added) {
        return service->change_ports("web", removed, added,
                                     [&](NetworkService::Recorded, const std::function<Result<void>()>& ports) {
                                         return store->transact(ports);
                                     });
    };
    EXPECT_FALSE(reach(neighbour.get(), "fd00:44::2", 80, listener.get(), 300));
    ASSERT_TRUE(change({}, {{"tcp", 80, "::", 0}}));
    EXPECT_TRUE(reach(neighbour.get(), "fd00:44::2", 80, listener.get()));
    reopen();
    ASSERT_TRUE(service->reconcile({"web"}));
    EXPECT_TRUE(reach(neighbour.get(), "fd00:44::2", 80, listener.get()));
    ASSERT_TRUE(change({{"tcp", 80, "::", 0}}, {}));
    EXPECT_FALSE(reach(neighbour.get(), "fd00:44::2", 80, listener.get(), 300));
}

TEST_F(Gateway, says_what_a_mode_needs) {
    auto open = service->create(with({{mode6, "isolated"}}));
    ASSERT_FALSE(open);
    EXPECT_THAT(open.error().text, HasSubstr("gateway_mode_ipv6\": \"isolated\" needs an internal network"));
    auto unknown = service->create(with({{mode4, "router"}}));
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
