// The driver's file on a host of the test's own: this process in a network namespace with the interface "parent".
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <filesystem>

#include "plugins/network/common/child/names.hpp"
#include "plugins/network/common/netlink.hpp"
#include "sdk/testing/fake_host.hpp"
#include "sdk/testing/network_suite.hpp"

namespace gantry::child {
namespace {

using gantry::testing::FakeHost;
using gantry::testing::Outcome;

constexpr const char* network_id = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

class Macvlan : public ::testing::Test {
protected:
    void SetUp() override {
        if (::geteuid() != 0) GTEST_SKIP() << "needs root: makes network namespaces";
        before_.reset(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
        ASSERT_EQ(::unshare(CLONE_NEWNET), 0);
        ASSERT_EQ(std::system("ip link set lo up && ip link add parent type veth peer name other && "
                              "ip link set parent up && ip link set other up"),
                  0);
        std::string name = "/tmp/gantry-child-XXXXXX";
        directory_ = ::mkdtemp(name.data());
        open();
        kernel_.emplace(std::move(netlink::Socket::open()).value());
    }
    void TearDown() override {
        host_.reset();
        kernel_.reset();
        if (before_) {
            ASSERT_EQ(::setns(before_.get(), CLONE_NEWNET), 0);
        }
        std::error_code ignored;
        std::filesystem::remove_all(directory_, ignored);
    }
    // As after a restart of the engine.
    void open() {
        host_.reset();
        auto opened = FakeHost::open(GANTRY_MACVLAN_DRIVER, directory_);
        ASSERT_TRUE(opened) << opened.error().text;
        host_ = std::move(opened).value();
    }
    static Json network(Json more = Json::object(), const std::string& id = network_id) {
        Json options{{"parent", "parent"}};
        options.update(more);
        return {{"id", id},
                {"name", "net" + id.substr(0, 2)},
                {"options", options},
                {"subnets", {{{"subnet", "10.7.0.0/24"}, {"gateway", "10.7.0.1"}}}},
                {"auxiliary", {{"host", "10.7.0.200"}}}};
    }
    static Json endpoint(int number) {
        const std::string digit = std::to_string(number);
        return {{"id", "e" + digit + std::string(62, '0')},
                {"mac", "02:42:0a:07:00:0" + digit},
                {"addresses", {"10.7.0." + digit + "/24"}}};
    }
    Outcome on(const char* operation, const Json& net, const Json& end = nullptr, int netns = -1, bool gone = false) {
        Json request{{"network", net}};
        if (!end.is_null())
            request.update({{"endpoint", end},
                            {"sandbox", {{"id", "box"}, {"gone", gone}}},
                            {"interface", "eth0"},
                            {"default_gateway", true}});
        std::vector<std::pair<std::string, int>> fds;
        if (netns >= 0) fds.emplace_back("netns", netns);
        return host_->call(GANTRY_NETWORK, operation, request, fds);
    }
    Outcome reconcile(std::vector<Json> networks, std::vector<Json> endpoints) {
        return host_->call("driver/1", "reconcile",
                           {{"boot_id", "b"}, {"objects", {{"networks", networks}, {"endpoints", endpoints}}}});
    }
    std::vector<netlink::Link> links_in(int netns) {
        auto id = kernel_->namespace_id(netns);
        EXPECT_TRUE(id) << id.error().text;
        return std::move(kernel_->list_in(*id, "macvlan")).value();
    }
    static Json desired(const Json& net, const Json& end) {
        return {{"network", net["id"]}, {"endpoint", end}, {"ports", Json::array()}};
    }

    UniqueFd before_;
    std::string directory_;
    std::unique_ptr<FakeHost> host_;
    std::optional<netlink::Socket> kernel_;
};

TEST_F(Macvlan, link_has_address_mac_mark_and_no_group) {
    ASSERT_TRUE(on("ensure", network()).ok());
    UniqueFd box = gantry::testing::make_netns();
    Outcome attached = on("attach", network(), endpoint(2), box.get());
    ASSERT_TRUE(attached.ok()) << attached.message;
    EXPECT_EQ(attached.result["mac"], "02:42:0a:07:00:02");
    EXPECT_EQ(attached.result["gateway"], "10.7.0.1");
    EXPECT_EQ(attached.result["mtu"], 1500);
    auto links = links_in(box.get());
    ASSERT_EQ(links.size(), 1u);
    EXPECT_EQ(links[0].name, "eth0");
    EXPECT_EQ(links[0].group, 0u);
    EXPECT_TRUE(links[0].up);
    EXPECT_TRUE(links[0].alias.starts_with("gantry:test:macvlan:")) << links[0].alias;
}

TEST_F(Macvlan, link_of_somebody_else_in_the_sandbox_is_a_conflict_and_stays) {
    ASSERT_TRUE(on("ensure", network()).ok());
    UniqueFd box = gantry::testing::make_netns();
    auto parent = kernel_->find("parent");
    netlink::ChildLink link{.kind = "macvlan", .name = "eth0"};
    link.parent = (*parent)->index;
    link.netns = box.get();
    netlink::Batch make;
    make.add_child(link);
    ASSERT_TRUE(kernel_->send(std::move(make)));
    Outcome attached = on("attach", network(), endpoint(2), box.get());
    EXPECT_EQ(attached.status, GANTRY_CONFLICT) << attached.message;
    EXPECT_EQ(attached.message, "interface \"eth0\" is in the sandbox already");
    ASSERT_TRUE(reconcile({network()}, {}).ok());
    EXPECT_EQ(links_in(box.get()).size(), 1u);
}

TEST_F(Macvlan, link_that_an_interrupted_attach_left_is_replaced_or_removed) {
    ASSERT_TRUE(on("ensure", network()).ok());
    auto interrupted = [&](int netns) {
        auto parent = kernel_->find("parent");
        netlink::ChildLink link{.kind = "macvlan", .name = first_name_of(endpoint(2).get<Endpoint>())};
        link.parent = (*parent)->index;
        link.netns = netns;
        link.group = Names{"test", "macvlan"}.group();
        netlink::Batch make;
        make.add_child(link);
        ASSERT_TRUE(kernel_->send(std::move(make)));
        ASSERT_EQ(links_in(netns).size(), 1u);
    };
    UniqueFd box = gantry::testing::make_netns();
    interrupted(box.get());
    Outcome attached = on("attach", network(), endpoint(2), box.get());
    ASSERT_TRUE(attached.ok()) << attached.message;
    UniqueFd other = gantry::testing::make_netns();
    interrupted(other.get());
    open();
    Outcome mended = reconcile({network()}, {desired(network(), endpoint(2))});
    ASSERT_TRUE(mended.ok()) << mended.message;
    EXPECT_EQ(mended.result["removed_orphans"], Json({first_name_of(endpoint(2).get<Endpoint>())}));
    EXPECT_EQ(mended.result["missing"], Json::array());
    EXPECT_TRUE(links_in(other.get()).empty());
    EXPECT_EQ(links_in(box.get()).size(), 1u);
}

TEST_F(Macvlan, links_that_nobody_wants_are_removed_and_wanted_ones_that_are_missing_told) {
    const Json access = network({{"host_access", true}});
    ASSERT_TRUE(on("ensure", access).ok());
    UniqueFd box = gantry::testing::make_netns();
    ASSERT_TRUE(on("attach", access, endpoint(2), box.get()).ok());
    open();
    Outcome mended = reconcile({access}, {desired(access, endpoint(3))});
    ASSERT_TRUE(mended.ok()) << mended.message;
    EXPECT_EQ(mended.result["removed_orphans"], Json({"eth0"}));
    EXPECT_EQ(mended.result["missing"], Json({endpoint(3)["id"]}));
    auto host_link = kernel_->find(host_link_of(access.get<Network>()));
    ASSERT_TRUE(host_link && *host_link);
    EXPECT_EQ(*kernel_->link_routes((*host_link)->index), std::vector<std::string>{"10.7.0.3/32"});
    ASSERT_TRUE(reconcile({}, {}).ok());
    EXPECT_TRUE(kernel_->list("macvlan")->empty());
}

TEST_F(Macvlan, detach_finds_the_link_of_a_namespace_that_is_not_at_hand) {
    ASSERT_TRUE(on("ensure", network()).ok());
    UniqueFd box = gantry::testing::make_netns();
    ASSERT_TRUE(on("attach", network(), endpoint(2), box.get()).ok());
    open();
    EXPECT_TRUE(on("detach", network(), endpoint(2), -1, true).ok());
    EXPECT_TRUE(links_in(box.get()).empty());
    EXPECT_TRUE(on("detach", network(), endpoint(2), -1, true).ok());
}

TEST_F(Macvlan, address_of_a_sandbox_that_just_ended_is_free_again) {
    for (const char* mode : {"bridge", "passthru"}) {
        const Json net = network({{"macvlan_mode", mode}});
        ASSERT_TRUE(on("ensure", net).ok());
        UniqueFd box = gantry::testing::make_netns();
        ASSERT_TRUE(on("attach", net, endpoint(2), box.get()).ok());
        box.reset();
        UniqueFd next = gantry::testing::make_netns();
        Outcome attached = on("attach", net, endpoint(2), next.get());
        EXPECT_TRUE(attached.ok()) << mode << ": " << attached.message;
        EXPECT_TRUE(on("detach", net, endpoint(2), next.get()).ok());
        ASSERT_TRUE(on("remove", net).ok());
    }
}

TEST_F(Macvlan, passthru_refuses_a_second_link_and_gives_the_parent_its_address_back) {
    const Json net = network({{"macvlan_mode", "passthru"}});
    const std::string own = (*kernel_->find("parent"))->mac;
    ASSERT_TRUE(on("ensure", net).ok());
    UniqueFd box = gantry::testing::make_netns(), other = gantry::testing::make_netns();
    Outcome attached = on("attach", net, endpoint(2), box.get());
    ASSERT_TRUE(attached.ok()) << attached.message;
    EXPECT_EQ((*kernel_->find("parent"))->mac, "02:42:0a:07:00:02");
    EXPECT_EQ(attached.result["mac"], "02:42:0a:07:00:02");
    Outcome second = on("attach", net, endpoint(3), other.get());
    EXPECT_EQ(second.status, GANTRY_BUSY) << second.message;
    EXPECT_TRUE(links_in(other.get()).empty());
    ASSERT_TRUE(on("detach", net, endpoint(2), box.get()).ok());
    EXPECT_EQ((*kernel_->find("parent"))->mac, own);
}

TEST_F(Macvlan, host_link_of_somebody_else_is_a_conflict) {
    const Json access = network({{"host_access", true}});
    ASSERT_EQ(std::system(("ip link add " + host_link_of(access.get<Network>()) + " type bridge").c_str()), 0);
    Outcome made = on("ensure", access);
    EXPECT_EQ(made.status, GANTRY_CONFLICT) << made.message;
    EXPECT_EQ(on("inspect", access).result["state"], "partial");
    EXPECT_TRUE(on("remove", access).ok());
    EXPECT_EQ(kernel_->list("bridge")->size(), 1u);
}

TEST_F(Macvlan, link_has_addresses_and_routes_of_both_families) {
    Json both = network({{"host_access", true}}), end = endpoint(2);
    both["subnets"].push_back({{"subnet", "fd00:7::/64"}, {"gateway", "fd00:7::1"}});
    end["addresses"].push_back("fd00:7::2/64");
    ASSERT_TRUE(on("ensure", both).ok());
    UniqueFd box = gantry::testing::make_netns();
    for (int again = 0; again < 2; ++again) {
        Outcome attached = on("attach", both, end, box.get());
        ASSERT_TRUE(attached.ok()) << attached.message;
        EXPECT_EQ(attached.result["addresses"], end["addresses"]);
    }
    const std::string inside = "nsenter --net=/proc/self/fd/" + std::to_string(::dup(box.get())) + " ";
    EXPECT_EQ(std::system((inside + "ip -6 route show default | grep -q 'via fd00:7::1 dev eth0'").c_str()), 0);
    EXPECT_EQ(std::system((inside + "ip -6 addr show dev eth0 | grep -q 'inet6 fd00:7::2/64 scope global'").c_str()),
              0);
    EXPECT_EQ(std::system((inside + "ip route show default | grep -q 'via 10.7.0.1 dev eth0'").c_str()), 0);
    auto host_link = kernel_->find(host_link_of(both.get<Network>()));
    EXPECT_EQ(*kernel_->link_routes((*host_link)->index), std::vector<std::string>{"10.7.0.2/32"});
    ASSERT_TRUE(on("detach", both, end, box.get()).ok());
    EXPECT_TRUE(kernel_->link_routes((*host_link)->index)->empty());
}

TEST_F(Macvlan, inspect_tells_what_is_wrong) {
    const Json access = network({{"host_access", true}});
    EXPECT_EQ(on("inspect", access).result["state"], "absent");
    ASSERT_TRUE(on("ensure", access).ok());
    EXPECT_EQ(on("inspect", access).result["state"], "ready");
    ASSERT_EQ(std::system("ip link set parent down"), 0);
    EXPECT_EQ(on("inspect", access).result["message"], "parent interface \"parent\" is down");
    ASSERT_EQ(std::system("ip link delete parent"), 0);
    EXPECT_EQ(on("inspect", access).result["message"], "parent interface \"parent\" is missing");
    UniqueFd box = gantry::testing::make_netns();
    EXPECT_EQ(on("attach", access, endpoint(2), box.get()).status, GANTRY_NOT_FOUND);
}

}  // namespace
}  // namespace gantry::child
