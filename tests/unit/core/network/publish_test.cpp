#include <gmock/gmock.h>
#include <ifaddrs.h>
#include <net/if.h>

#include <iterator>
#include <sstream>

#include "testbed.hpp"

namespace gantry::network::test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class Publish : public Bed {
protected:
    void SetUp() override {
        Bed::SetUp();
        if (!service) return;
        ASSERT_TRUE(service->create({{"Name", "one"}}));
        ASSERT_TRUE(service->create({{"Name", "two"}}));
        run_in(neighbour.get(), {"ip", "route", "add", "172.16.0.0/12", "via", host_address});
    }
    Attached start(const std::string& id, const std::string& network, const std::vector<Port>& ports) {
        auto attached = service->attach(id, id, id, network, {}, ports);
        EXPECT_TRUE(attached) << attached.error().text;
        return attached ? std::move(attached).value() : Attached{};
    }
};

std::string address_of(const Attached& attached) { return attached.settings.front().at("IPAddress"); }
std::string gateway_of(const Attached& attached) { return attached.settings.front().at("Gateway"); }

// What is up and does not forward of a network and its ports, as a dump has it: asking for one by its name would make
// the kernel act on its carrier.
std::set<std::string> not_running(const std::string& bridge) {
    ifaddrs* all = nullptr;
    EXPECT_EQ(::getifaddrs(&all), 0);
    std::set<std::string> names;
    for (const ifaddrs* one = all; one; one = one->ifa_next) {
        const std::string name = one->ifa_name;
        if ((name == bridge || name.starts_with("gv-")) && !(one->ifa_flags & IFF_RUNNING)) names.insert(name);
    }
    ::freeifaddrs(all);
    return names;
}

TEST_F(Publish, is_reached_from_everywhere_and_keeps_the_clients_address) {
    Attached web = start("web", "one", {tcp(4000, 80)}), other = start("other", "one", {}),
             foreign = start("foreign", "two", {});
    UniqueFd listener = listen_in(web.netns.get(), 80);
    EXPECT_EQ(reach(-1, "127.0.0.1", 4000, listener.get()), gateway_of(web));
    EXPECT_EQ(reach(-1, "127.0.0.9", 4000, listener.get()), gateway_of(web));
    EXPECT_EQ(reach(-1, host_address, 4000, listener.get()), host_address);
    EXPECT_EQ(reach(neighbour.get(), host_address, 4000, listener.get()), neighbour_address);
    EXPECT_TRUE(reach(other.netns.get(), host_address, 4000, listener.get()));
    EXPECT_TRUE(reach(other.netns.get(), gateway_of(web), 4000, listener.get()));
    EXPECT_TRUE(reach(web.netns.get(), host_address, 4000, listener.get()));
    EXPECT_EQ(reach(foreign.netns.get(), host_address, 4000, listener.get()), address_of(foreign));
    EXPECT_NE(reach(other.netns.get(), host_address, 4000, listener.get()), "no answer came back");
    EXPECT_NE(reach(web.netns.get(), host_address, 4000, listener.get()), "no answer came back");
    ASSERT_TRUE(service->detach("web", false));
    EXPECT_FALSE(reach(-1, "127.0.0.1", 4000, listener.get(), 200));
}

TEST_F(Publish, udp_too) {
    Attached web = start("web", "one", {{"udp", 53, "", 5353}});
    UniqueFd receiver = receive_udp_in(web.netns.get(), 53);
    EXPECT_TRUE(reach_udp(-1, "127.0.0.1", 5353, receiver.get()));
    EXPECT_TRUE(reach_udp(neighbour.get(), host_address, 5353, receiver.get()));
}

TEST_F(Publish, carries_the_first_packet) {
    const std::string bridge = "gb-" + service->id_of("one").value().substr(0, 12);
    for (int i = 0; i < 20; ++i) {
        // The first port of a bridge gives the bridge its carrier too.
        const std::string id = "web" + std::to_string(i);
        Attached web = start(id, "one", {});
        EXPECT_THAT(not_running(bridge), IsEmpty()) << i;
        EXPECT_TRUE(service->detach(id, false));
    }
}

TEST_F(Publish, on_loopback_stays_there) {
    Attached web = start("web", "one", {tcp(4000, 80, "127.0.0.1")});
    UniqueFd listener = listen_in(web.netns.get(), 80);
    EXPECT_TRUE(reach(-1, "127.0.0.1", 4000, listener.get()));
    EXPECT_FALSE(reach(-1, host_address, 4000, listener.get(), 300));
    EXPECT_FALSE(reach(neighbour.get(), host_address, 4000, listener.get(), 300));
    // A neighbour that routes 127.0.0.0/8 to us.
    run_in(neighbour.get(),
           {"sh", "-c",
            "echo 1 > /proc/sys/net/ipv4/conf/nb0/route_localnet; echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet; "
            "ip address del 127.0.0.1/8 dev lo; ip rule add pref 1 to 127.0.0.1 lookup 100; ip route add 127.0.0.1 via "
            "192.0.2.1 table 100; "
            "ip rule del pref 0; ip rule add pref 2 lookup local"});
    run({"sh", "-c", "echo 1 > /proc/sys/net/ipv4/conf/lan0/route_localnet"});
    EXPECT_FALSE(reach(neighbour.get(), "127.0.0.1", 4000, listener.get(), 400));
}

TEST_F(Publish, other_ports_and_the_hosts_loopback_are_out_of_reach) {
    Attached web = start("web", "one", {tcp(4000, 80)}), foreign = start("foreign", "two", {});
    UniqueFd listener = listen_in(web.netns.get(), 80), hidden = listen_in(web.netns.get(), 81);
    EXPECT_FALSE(reach(neighbour.get(), address_of(web), 81, hidden.get(), 300));
    EXPECT_FALSE(reach(neighbour.get(), address_of(web), 80, listener.get(), 300));
    EXPECT_FALSE(reach(foreign.netns.get(), address_of(web), 81, hidden.get(), 300));
    UniqueFd host_service = listen_in(-1, 2375, "127.0.0.1");
    // Bridges have route_localnet, so a container could otherwise do this.
    run_in(web.netns.get(), {"sh", "-c",
                             "echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet; ip address del 127.0.0.1/8 dev lo; "
                             "ip rule add pref 1 to 127.0.0.1 lookup 100; ip route add 127.0.0.1 via " +
                                 gateway_of(web) +
                                 " table 100; "
                                 "ip rule del pref 0; ip rule add pref 2 lookup local"});
    EXPECT_FALSE(reach(web.netns.get(), "127.0.0.1", 2375, host_service.get(), 400));
}

TEST_F(Publish, leaves_alone_what_the_host_forwards_for_others) {
    Attached web = start("web", "one", {tcp(4000, 80)});
    UniqueFd listener = listen_in(web.netns.get(), 80);
    run({"ip", "address", "add", "198.51.100.1/32", "dev", "lo"});
    run_in(neighbour.get(), {"ip", "route", "add", "198.51.100.0/24", "via", host_address});
    // 198.51.100.9 is a third party's, not the host's.
    EXPECT_FALSE(reach(neighbour.get(), "198.51.100.9", 4000, listener.get(), 300));
    EXPECT_TRUE(reach(neighbour.get(), "198.51.100.1", 4000, listener.get()));
    run({"ip", "address", "del", "198.51.100.1/32", "dev", "lo"});
}

TEST_F(Publish, leaves_the_other_tables_alone) {
    run({"nft", "add", "table", "inet", "somebody"});
    { Attached web = start("web", "one", {tcp(4000, 80)}); }
    ASSERT_TRUE(service->detach("web", true));
    ASSERT_TRUE(service->remove("one"));
    ASSERT_TRUE(service->remove("two"));
    EXPECT_THAT(ruleset(), HasSubstr("somebody"));
    EXPECT_THAT(ruleset(), Not(HasSubstr("gantry_")));
    run({"nft", "delete", "table", "inet", "somebody"});
}

TEST_F(Publish, refuses_a_port_that_a_program_of_the_host_has) {
    UniqueFd program = listen_in(-1, 4010);
    auto refused = service->attach("web", "web", "web", "one", {}, {tcp(4010, 80)});
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().text, HasSubstr("Bind for 0.0.0.0:4010 failed: port is already allocated"));
    EXPECT_TRUE(inspect("one").at("Containers").empty());
    program.reset();
    EXPECT_TRUE(service->attach("web", "web", "web", "one", {}, {tcp(4010, 80)}));
}

TEST_F(Publish, finds_free_ephemeral_ports) {
    UniqueFd program = listen_in(-1, 32768);
    Attached web = start("web", "one", {{"tcp", 80, "", 0}, {"tcp", 81, "", 0}});
    ASSERT_EQ(web.ports.size(), 2u);
    EXPECT_GT(web.ports[0].host_port, 32768);
    EXPECT_NE(web.ports[0].host_port, web.ports[1].host_port);
    UniqueFd listener = listen_in(web.netns.get(), 81);
    EXPECT_TRUE(reach(-1, "127.0.0.1", web.ports[1].host_port, listener.get()));
}

TEST_F(Publish, masquerades_what_leaves_and_not_for_internal_networks) {
    ASSERT_TRUE(service->create({{"Name", "inner"}, {"Internal", true}}));
    Attached web = start("web", "one", {}), inner = start("inner", "inner", {tcp(4005, 80)}),
             inner2 = start("inner2", "inner", {});
    run_in(neighbour.get(), {"ip", "route", "del", "172.16.0.0/12"});
    UniqueFd outside = listen_in(neighbour.get(), 80);
    EXPECT_EQ(reach(web.netns.get(), neighbour_address, 80, outside.get()), host_address);
    EXPECT_FALSE(reach(inner.netns.get(), neighbour_address, 80, outside.get(), 300));
    EXPECT_THAT(run_in(inner.netns.get(), {"ip", "route"}), Not(HasSubstr("default")));
    run_in(inner.netns.get(), {"ip", "route", "add", "default", "via",
                               inspect("inner").at("IPAM").at("Config").at(0).at("Gateway").get<std::string>()});
    EXPECT_FALSE(reach(inner.netns.get(), neighbour_address, 80, outside.get(), 300));
    UniqueFd host_service = listen_in(-1, 2376), dns = receive_udp_in(-1, 53),
             listener = listen_in(inner.netns.get(), 80);
    const std::string gateway = inspect("inner").at("IPAM").at("Config").at(0).at("Gateway");
    EXPECT_FALSE(reach(inner.netns.get(), gateway, 2376, host_service.get(), 300));
    EXPECT_FALSE(reach(inner.netns.get(), host_address, 2376, host_service.get(), 300));
    EXPECT_TRUE(reach_udp(inner.netns.get(), gateway, 53, dns.get()));
    EXPECT_TRUE(reach(inner2.netns.get(), address_of(inner), 80, listener.get()));
    EXPECT_FALSE(reach(-1, "127.0.0.1", 4005, listener.get(), 300));
}

TEST_F(Publish, isolates_containers_where_asked) {
    ASSERT_TRUE(service->create({{"Name", "quiet"}, {"Options", {{"com.docker.network.bridge.enable_icc", "false"}}}}));
    Attached a = start("a", "quiet", {tcp(4000, 80)}), b = start("b", "quiet", {});
    UniqueFd listener = listen_in(a.netns.get(), 80);
    EXPECT_FALSE(reach(b.netns.get(), address_of(a), 80, listener.get(), 300));
    EXPECT_TRUE(reach(-1, host_address, 4000, listener.get()));
}

TEST_F(Publish, has_no_ipv6_and_hears_no_router) {
    Attached web = start("web", "one", {});
    const std::string bridge = "gb-" + service->id_of("one").value().substr(0, 12);
    EXPECT_EQ(run({"cat", "/proc/sys/net/ipv6/conf/" + bridge + "/disable_ipv6"}), "1\n");
    EXPECT_EQ(run_in(web.netns.get(),
                     {"cat", "/proc/sys/net/ipv6/conf/eth0/disable_ipv6", "/proc/sys/net/ipv6/conf/eth0/accept_ra"}),
              "1\n0\n");
    EXPECT_THAT(run_in(web.netns.get(), {"ip", "-6", "address", "show", "dev", "eth0"}), Not(HasSubstr("inet6")));
    EXPECT_THAT(run({"ip", "-6", "-br", "address"}), Not(HasSubstr("gv-")));
    EXPECT_EQ(run_in(web.netns.get(), {"cat", "/proc/sys/net/ipv4/ip_unprivileged_port_start"}), "0\n");
}

}  // namespace
TEST_F(Publish, puts_rules_back_that_somebody_flushed) {
    ASSERT_TRUE(service->attach("aaaa", "a", "a", "default", {}, {tcp(4000, 80)}));
    // nft gives the elements of a set in any order.
    auto words = [this] {
        std::string text = ruleset();
        std::replace(text.begin(), text.end(), ',', ' ');
        std::istringstream stream(text);
        return std::multiset<std::string>(std::istream_iterator<std::string>(stream), {});
    };
    const auto before = words();
    for (const std::vector<std::string>& command :
         {std::vector<std::string>{"nft", "flush", "ruleset"},
          std::vector<std::string>{"nft", "flush", "chain", "inet", "gantry_" + engine, "forward"}}) {
        run(command);
        EXPECT_NE(words(), before);
        for (int i = 0; i < 100 && words() != before; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(20));
        EXPECT_EQ(words(), before);
    }
    ASSERT_TRUE(service->detach("aaaa", true));
}

}  // namespace gantry::network::test
