#include <gmock/gmock.h>

#include "core/base/files.hpp"
#include "testbed.hpp"

namespace gantry::network::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Service = Bed;

#define ASSERT_DONE(expression)                   \
    do {                                          \
        auto done_ = (expression);                \
        ASSERT_TRUE(done_) << done_.error().text; \
    } while (false)

TEST_F(Service, gives_a_container_an_addressed_interface_on_the_default_network) {
    auto a = service->attach("aaaa", "web", "web", "default", {}, {});
    ASSERT_TRUE(a) << a.error().text;
    EXPECT_EQ(a->mode, Attached::Mode::private_namespace);
    const Json settings = a->settings.at("bridge");
    const std::string address = settings.at("IPAddress");
    EXPECT_EQ(settings.at("IPPrefixLen"), 20);
    EXPECT_EQ(a->resolvers, std::vector<std::string>{settings.at("Gateway")});
    EXPECT_EQ(a->hosts.front(), (std::pair<std::string, std::string>{address, "web"}));
    const std::string shown = run_in(a->netns.get(), {"ip", "address", "show", "eth0"});
    EXPECT_THAT(shown, HasSubstr(address + "/20"));
    EXPECT_THAT(shown, HasSubstr(std::string("link/ether ") + settings.at("MacAddress").get<std::string>()));
    EXPECT_THAT(shown, Not(HasSubstr("inet6")));
    EXPECT_THAT(run_in(a->netns.get(), {"ip", "route"}),
                HasSubstr("default via " + settings.at("Gateway").get<std::string>()));
    UniqueFd listener = listen_in(-1, 8080);
    EXPECT_EQ(reach(a->netns.get(), settings.at("Gateway"), 8080, listener.get()), address);
    EXPECT_EQ(inspect("bridge").at("Containers").at("aaaa").at("Name"), "web");
    ASSERT_DONE(service->detach("aaaa", true));
    EXPECT_TRUE(inspect("bridge").at("Containers").empty());
}

TEST_F(Service, lets_containers_of_one_network_meet_and_keeps_networks_apart) {
    ASSERT_DONE(service->create({{"Name", "front"}}));
    ASSERT_DONE(service->create({{"Name", "back"}}));
    auto a = service->attach("aaaa", "a", "a", "front", {}, {});
    auto b = service->attach("bbbb", "b", "b", "front", {}, {});
    auto c = service->attach("cccc", "c", "c", "back", {}, {});
    ASSERT_TRUE(a && b && c);
    UniqueFd listener = listen_in(b->netns.get(), 80);
    const std::string address = b->settings.at("front").at("IPAddress");
    EXPECT_EQ(reach(a->netns.get(), address, 80, listener.get()),
              a->settings.at("front").at("IPAddress").get<std::string>());
    EXPECT_FALSE(reach(c->netns.get(), address, 80, listener.get()));
    EXPECT_TRUE(reach(-1, address, 80, listener.get()));
}

TEST_F(Service, takes_everything_out_of_the_kernel_again) {
    const std::string before = links();
    ASSERT_DONE(service->create({{"Name", "front"}}));
    {
        auto a = service->attach("aaaa", "a", "a", "front", {}, {tcp(4000, 80)});
        ASSERT_TRUE(a) << a.error().text;
        EXPECT_THAT(ruleset(), HasSubstr("gantry_" + engine));
        EXPECT_EQ(service->remove("front").error().code, Code::denied);
        EXPECT_THAT(service->remove("front").error().text,
                    HasSubstr("network front has active endpoints (name:\"a\" id:\""));
    }
    ASSERT_DONE(service->detach("aaaa", true));
    ASSERT_DONE(service->remove("front"));
    EXPECT_EQ(links(), before);
    EXPECT_EQ(ruleset(), "");
    EXPECT_EQ(service->inspect("front").error().text, "network front not found");
}

TEST_F(Service, refuses_in_dockers_words) {
    ASSERT_DONE(service->create({{"Name", "front"}, {"IPAM", {{"Config", {{{"Subnet", "10.44.0.0/24"}}}}}}}));
    EXPECT_EQ(service->create({{"Name", "front"}}).error().text, "network with name front already exists");
    EXPECT_EQ(service->create({{"Name", "bridge"}}).error().text,
              "operation is not permitted on predefined bridge network");
    EXPECT_EQ(service->remove("bridge").error().text, "bridge is a pre-defined network and cannot be removed");
    EXPECT_EQ(service->remove("nix").error().text, "network nix not found");
    EXPECT_THAT(
        service->create({{"Name", "two"}, {"IPAM", {{"Config", {{{"Subnet", "10.44.0.128/25"}}}}}}}).error().text,
        HasSubstr("Pool overlaps"));
    EXPECT_THAT(service->create({{"Name", "two"}, {"Options", {{"com.docker.network.bridge.nmae", "x"}}}}).error().text,
                HasSubstr("com.docker.network.bridge.name"));
    EXPECT_EQ(service->create({{"Name", "two"}, {"Driver", "host"}}).error().text,
              "only one instance of \"host\" network is allowed");
    EXPECT_FALSE(service->create({{"Name", "two"}, {"Driver", "nosuch"}}));
    EXPECT_EQ(service->list().size(), 4u);
    EXPECT_EQ(service->check("nix", {}, {}).error().code, Code::not_found);
    EXPECT_FALSE(service->check("front", {{"front", {}, "10.45.0.1", "", {}, 0}}, {}));
    EXPECT_TRUE(service->check("front", {{"front", {}, "10.44.0.7", "", {}, 0}}, {tcp(80, 80)}));
    EXPECT_FALSE(service->check("bridge", {{"bridge", {}, "172.17.0.7", "", {}, 0}}, {}));
}

TEST_F(Service, honours_fixed_addresses_and_several_networks) {
    ASSERT_DONE(service->create({{"Name", "one"}, {"IPAM", {{"Config", {{{"Subnet", "10.44.0.0/24"}}}}}}}));
    ASSERT_DONE(service->create({{"Name", "two"}, {"Internal", true}}));
    auto a =
        service->attach("aaaa", "a", "a", "one",
                        {{"one", {"db"}, "10.44.0.77", "02:00:00:00:00:aa", {}, 0}, {"two", {}, "", "", {}, 0}}, {});
    ASSERT_TRUE(a) << a.error().text;
    EXPECT_EQ(a->settings.at("one").at("IPAddress"), "10.44.0.77");
    EXPECT_EQ(a->settings.at("one").at("MacAddress"), "02:00:00:00:00:aa");
    const std::string shown = run_in(a->netns.get(), {"ip", "-br", "address"});
    EXPECT_THAT(shown, HasSubstr("eth0"));
    EXPECT_THAT(shown, HasSubstr("eth1"));
    EXPECT_THAT(run_in(a->netns.get(), {"ip", "route"}), HasSubstr("default via 10.44.0.1 dev eth0"));
    auto taken = service->attach("bbbb", "b", "b", "one", {{"one", {}, "10.44.0.77", "", {}, 0}}, {});
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().text, "Address already in use");
    EXPECT_TRUE(service->attach("bbbb", "b", "b", "one", {{"one", {}, "10.44.0.78", "", {}, 0}}, {}));
}

TEST_F(Service, gives_nothing_to_host_and_none_but_lists_them) {
    auto host = service->attach("aaaa", "a", "a", "host", {}, {tcp(4000, 80)});
    ASSERT_TRUE(host) << host.error().text;
    EXPECT_EQ(host->mode, Attached::Mode::host);
    EXPECT_FALSE(host->netns);
    EXPECT_TRUE(host->resolvers.empty());
    auto none = service->attach("bbbb", "b", "b", "none", {}, {});
    ASSERT_TRUE(none) << none.error().text;
    EXPECT_EQ(none->mode, Attached::Mode::none);
    EXPECT_TRUE(none->netns);
    EXPECT_THAT(run_in(none->netns.get(), {"ip", "-br", "link"}), Not(HasSubstr("eth0")));
    EXPECT_EQ(inspect("host").at("Containers").size(), 1u);
    auto joined = service->attach("cccc", "c", "c", "container:aaaa", {}, {});
    ASSERT_TRUE(joined);
    EXPECT_EQ(joined->join, "aaaa");
}

TEST_F(Service, connects_and_disconnects_a_running_container) {
    ASSERT_DONE(service->create({{"Name", "one"}}));
    ASSERT_DONE(service->create({{"Name", "two"}}));
    auto a = service->attach("aaaa", "a", "ahost", "one", {}, {tcp(4000, 80)});
    ASSERT_TRUE(a) << a.error().text;
    UniqueFd listener = listen_in(a->netns.get(), 80);
    auto connected = service->connect("two", "aaaa", "a", {"two", {"db"}, "", "", {}, 0}, a->netns.get());
    ASSERT_TRUE(connected) << connected.error().text;
    EXPECT_THAT(run_in(a->netns.get(), {"ip", "-br", "address", "show", "eth1"}),
                HasSubstr(connected->at("IPAddress").get<std::string>()));
    EXPECT_EQ(service->connect("two", "aaaa", "a", {}, a->netns.get()).error().text,
              "endpoint with name a already exists in network two");
    EXPECT_TRUE(reach(-1, host_address, 4000, listener.get()));
    // The default route and the port move to the network that is left.
    ASSERT_DONE(service->disconnect("one", "aaaa", a->netns.get(), false));
    EXPECT_THAT(run_in(a->netns.get(), {"ip", "route"}),
                HasSubstr("default via " + connected->at("Gateway").get<std::string>() + " dev eth1"));
    EXPECT_TRUE(reach(-1, host_address, 4000, listener.get()));
    EXPECT_EQ(service->settings_of("aaaa").settings.size(), 1u);
    EXPECT_FALSE(service->disconnect("one", "aaaa", a->netns.get(), false));
    auto stats = service->stats("aaaa");
    ASSERT_TRUE(stats) << stats.error().text;
    EXPECT_GT(stats->at("eth1").at("rx_bytes"), 0);
}

TEST_F(Service, writes_the_names_of_each_network) {
    ASSERT_DONE(service->create({{"Name", "one"}}));
    auto a = service->attach("aaaabbbbccccdddd", "web", "w1", "one", {{"one", {"www"}, "", "", {}, 0}}, {});
    auto b = service->attach("bbbb", "web2", "w2", "one", {{"one", {"www"}, "", "", {}, 0}}, {});
    ASSERT_TRUE(a && b);
    const std::string file = directory / "run/names" / (service->id_of("one").value() + ".json");
    Json names = Json::parse(read_file(file).value());
    const std::string address = a->settings.at("one").at("IPAddress");
    for (const char* name : {"web", "aaaabbbbcccc", "w1"})
        EXPECT_EQ(names.at("names").at(name), Json::array({address})) << name;
    EXPECT_EQ(names.at("names").at("www").size(), 2u);
    EXPECT_EQ(names.at("addresses").at(address), "web");
    EXPECT_EQ(names.at("listen"), Json::array({a->settings.at("one").at("Gateway")}));
    service->rename("aaaabbbbccccdddd", "shop");
    names = Json::parse(read_file(file).value());
    EXPECT_TRUE(names.at("names").contains("shop"));
    EXPECT_FALSE(names.at("names").contains("web"));
    ASSERT_DONE(service->detach("aaaabbbbccccdddd", true));
    names = Json::parse(read_file(file).value());
    EXPECT_FALSE(names.at("names").contains("shop"));
}

TEST_F(Service, goes_on_after_a_restart_with_the_containers_that_run) {
    ASSERT_DONE(service->create({{"Name", "one"}}));
    auto a = service->attach("aaaa", "a", "a", "one", {}, {tcp(4000, 80)});
    auto b = service->attach("bbbb", "b", "b", "one", {}, {tcp(4001, 80)});
    ASSERT_TRUE(a && b);
    UniqueFd listener = listen_in(a->netns.get(), 80);
    const std::string address = a->settings.at("one").at("IPAddress");
    reopen();
    EXPECT_TRUE(reach(-1, "127.0.0.1", 4000, listener.get()));
    run({"nft", "flush", "ruleset"});
    ASSERT_DONE(service->reconcile({"aaaa"}));
    EXPECT_TRUE(reach(-1, "127.0.0.1", 4000, listener.get()));
    EXPECT_THAT(ruleset(), Not(HasSubstr("4001")));
    EXPECT_EQ(inspect("one").at("Containers").size(), 1u);
    EXPECT_EQ(service->settings_of("aaaa").settings.at("one").at("IPAddress"), address);
    // b's port and address are free at once.
    EXPECT_TRUE(service->attach("cccc", "c", "c", "one", {}, {tcp(4001, 80)}));
    auto d = service->attach("dddd", "d", "d", "one", {}, {tcp(4000, 80)});
    ASSERT_FALSE(d);
    EXPECT_THAT(d.error().text, HasSubstr("Bind for 0.0.0.0:4000 failed: port is already allocated"));
    EXPECT_EQ(inspect("one").at("Containers").size(), 2u);
}

TEST_F(Service, removes_what_no_record_knows) {
    ASSERT_DONE(service->create({{"Name", "one"}}));
    auto a = service->attach("aaaa", "a", "a", "one", {}, {tcp(4000, 80)});
    ASSERT_TRUE(a);
    ASSERT_DONE(store->erase("network", service->id_of("one").value()));
    reopen();
    ASSERT_DONE(service->reconcile({"aaaa"}));
    EXPECT_THAT(links(), Not(HasSubstr("gb-")));
    EXPECT_THAT(ruleset(), Not(HasSubstr("4000")));
}

TEST_F(Service, does_not_take_a_network_just_made_for_an_unfinished_one) {
    // As at a start: clients create networks while the recovery brings the others in order.
    std::atomic<bool> over = false;
    std::thread recovery([&] {
        while (!over) EXPECT_TRUE(service->reconcile({}));
    });
    std::vector<std::string> bridges;
    for (int i = 0; i < 20; ++i) {
        auto made = service->create({{"Name", "n" + std::to_string(i)}});
        EXPECT_TRUE(made) << made.error().text;
        if (made) bridges.push_back("gb-" + made->at("Id").get<std::string>().substr(0, 12));
    }
    over = true;
    recovery.join();
    for (int i = 0; i < 20; ++i) EXPECT_TRUE(service->inspect("n" + std::to_string(i))) << i;
    const std::string there = links();
    for (const std::string& bridge : bridges) EXPECT_THAT(there, HasSubstr(bridge));
}

TEST_F(Service, mends_a_bridge_that_somebody_removed) {
    ASSERT_DONE(service->create({{"Name", "one"}}));
    const std::string bridge = "gb-" + service->id_of("one").value().substr(0, 12);
    run({"ip", "link", "delete", bridge});
    auto a = service->attach("aaaa", "a", "a", "one", {}, {});
    ASSERT_TRUE(a) << a.error().text;
    EXPECT_THAT(links(), HasSubstr(bridge));
}

TEST_F(Service, starts_and_ends_many_side_by_side) {
    ASSERT_DONE(service->create({{"Name", "one"}}));
    std::vector<std::thread> clients;
    std::atomic<int> failed = 0;
    std::mutex mutex;
    std::set<std::string> addresses;
    for (int client = 0; client < 8; ++client)
        clients.emplace_back([&, client] {
            for (int i = 0; i < 6; ++i) {
                const std::string id = "c" + std::to_string(client) + "x" + std::to_string(i);
                auto a = service->attach(id, id, id, "one", {}, {{"tcp", 80, "", 0}});
                if (!a) {
                    ++failed;
                    ADD_FAILURE() << a.error().text;
                    continue;
                }
                {
                    std::lock_guard lock(mutex);
                    addresses.insert(a->settings.at("one").at("IPAddress"));
                }
                a->netns.reset();
                if (i % 2 == 0 && !service->detach(id, true)) ++failed;
            }
        });
    for (std::thread& client : clients) client.join();
    EXPECT_EQ(failed, 0);
    EXPECT_EQ(addresses.size(), 48u);
    EXPECT_EQ(inspect("one").at("Containers").size(), 24u);
    ASSERT_DONE(service->reconcile({}));
    ASSERT_DONE(service->remove("one"));
}

}  // namespace
}  // namespace gantry::network::test
