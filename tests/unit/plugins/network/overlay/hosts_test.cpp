// Two hosts whose network is written down in a document.
#include "tests/unit/plugins/network/overlay/two_hosts.hpp"

namespace gantry::overlay {
namespace {

class OverlayHosts : public ::testing::Test {
protected:
    std::string path_;
    HostUnderTest a_, b_;
    Json network_;

    void SetUp() override {
        if (::geteuid() != 0) GTEST_SKIP() << "needs root: it makes network namespaces";
        char name[] = "/tmp/overlay-hosts-XXXXXX";
        path_ = ::mkdtemp(name);
        a_.netns = make_host_netns();
        b_.netns = make_host_netns();
        ASSERT_TRUE(a_.netns && b_.netns && join_hosts(a_.netns, b_.netns));
        write(Json::array());
        network_ = network_named("0123456789abcdef", Json::object());
        for (HostUnderTest* host : {&a_, &b_}) {
            host->driver = inside(host->netns.get(), [&] {
                auto opened = FakeHost::open(GANTRY_OVERLAY_DRIVER, path_, {{"documents", path_}});
                if (!opened) ADD_FAILURE() << opened.error().text;
                return opened ? std::move(*opened) : nullptr;
            });
            ASSERT_TRUE(host->driver);
        }
    }
    void TearDown() override {
        a_.driver.reset();
        b_.driver.reset();
        if (!path_.empty()) std::filesystem::remove_all(path_);
    }
    // In one step, as an orchestrator would.
    void write(const Json& further_endpoints_of_b, const std::string& vtep_of_b = "10.77.0.2") {
        Json endpoints{{{"address", "10.99.2.2"}, {"names", {"web"}}}};
        for (const Json& one : further_endpoints_of_b) endpoints.push_back(one);
        const Json document{{"network", "my-net"},
                            {"subnet", "10.99.0.0/16"},
                            {"vni", 4100},
                            {"hosts",
                             {{{"host", "a"}, {"vtep", "10.77.0.1"}, {"range", "10.99.1.0/28"}},
                              {{"host", "b"}, {"vtep", vtep_of_b}, {"endpoints", endpoints}}}}};
        std::ofstream(path_ + "/new") << document.dump();
        std::filesystem::rename(path_ + "/new", path_ + "/my-net.json");
    }
    Container attach(HostUnderTest& host, const std::string& address, const std::string& mac = "") {
        return attach_container(host, network_, address, mac);
    }
    void detach(HostUnderTest& host, Container& container) { detach_container(host, container); }
    void ensure_both() {
        for (HostUnderTest* host : {&a_, &b_}) {
            Outcome done = host->call(GANTRY_NETWORK, "ensure", {{"network", network_}});
            ASSERT_EQ(done.status, GANTRY_OK) << done.message;
            EXPECT_EQ(done.result.value("mtu", 0), 1450);
        }
    }
};

constexpr std::size_t udp_and_ip = 28;

TEST_F(OverlayHosts, reach_each_other_with_packets_of_1450_bytes_and_no_larger) {
    ensure_both();
    Container one = attach(a_, "10.99.1.2"), two = attach(b_, "10.99.2.2");
    EXPECT_EQ(datagram(one, two, "10.99.2.2", 1450 - udp_and_ip), 0);
    EXPECT_EQ(datagram(two, one, "10.99.1.2", 1450 - udp_and_ip), 0);
    EXPECT_EQ(datagram(one, two, "10.99.2.2", 1451 - udp_and_ip), EMSGSIZE);
    EXPECT_EQ(a_.call(GANTRY_NETWORK, "remove", {{"network", network_}}).status, GANTRY_BUSY);
    detach(a_, one);
    detach(b_, two);
    for (HostUnderTest* host : {&a_, &b_}) {
        EXPECT_EQ(host->call(GANTRY_NETWORK, "remove", {{"network", network_}}).status, GANTRY_OK);
        const auto links = inside(host->netns.get(), [] {
            auto kernel = netlink::Socket::open();
            return kernel->list("bridge")->size() + kernel->list("vxlan")->size() + kernel->list("veth")->size();
        });
        EXPECT_EQ(links, 1u);  // the way to the other host
    }
}

TEST_F(OverlayHosts, take_a_changed_document_at_once) {
    ensure_both();
    Container one = attach(a_, "10.99.1.2"), two = attach(b_, "10.99.2.9", "02:42:0a:00:00:77");
    EXPECT_EQ(datagram(one, two, "10.99.2.9", 100), -1);
    write({{{"address", "10.99.2.9"}, {"mac", "02:42:0a:00:00:77"}}});
    int reached = -1;
    for (int attempt = 0; reached != 0 && attempt < 3; ++attempt) reached = datagram(one, two, "10.99.2.9", 100);
    EXPECT_EQ(reached, 0);
    // A bad one is passed over, and told of.
    std::ofstream(path_ + "/my-net.json") << "{";
    EXPECT_EQ(datagram(one, two, "10.99.2.9", 100), 0);
    detach(a_, one);
    detach(b_, two);
}

TEST_F(OverlayHosts, mend_what_somebody_took_out_of_the_kernel) {
    ensure_both();
    Container one = attach(a_, "10.99.1.2"), two = attach(b_, "10.99.2.2");
    ASSERT_EQ(datagram(one, two, "10.99.2.2", 100), 0);
    ASSERT_EQ(shell(a_.netns.get(), "ip link delete gx-0123456789ab"), 0);
    EXPECT_EQ(a_.call(GANTRY_NETWORK, "inspect", {{"network", network_}}).result.value("state", ""), "partial");
    EXPECT_EQ(a_.call(GANTRY_NETWORK, "ensure", {{"network", network_}}).status, GANTRY_OK);
    EXPECT_EQ(datagram(one, two, "10.99.2.2", 100), 0);
    // An entry that leads elsewhere, and one that nobody asked for.
    ASSERT_EQ(shell(a_.netns.get(),
                    "bridge fdb replace 02:42:0a:63:02:02 dev gx-0123456789ab dst 10.77.0.9 self permanent && "
                    "bridge fdb add 02:42:0a:63:09:09 dev gx-0123456789ab dst 10.77.0.9 self permanent"),
              0);
    EXPECT_EQ(a_.call(GANTRY_NETWORK, "ensure", {{"network", network_}}).status, GANTRY_OK);
    EXPECT_EQ(datagram(one, two, "10.99.2.2", 100), 0);
    EXPECT_NE(shell(a_.netns.get(), "bridge fdb show dev gx-0123456789ab | grep -q 10.77.0.9"), 0);
    detach(a_, one);
    detach(b_, two);
}

TEST_F(OverlayHosts, after_a_restart_keep_what_is_wanted_and_remove_the_rest) {
    ensure_both();
    Container one = attach(a_, "10.99.1.2"), two = attach(b_, "10.99.2.2"), gone = attach(a_, "10.99.1.3");
    a_.driver.reset();
    ASSERT_EQ(datagram(one, two, "10.99.2.2", 100), 0);
    a_.driver = inside(a_.netns.get(), [&] {
        return std::move(FakeHost::open(GANTRY_OVERLAY_DRIVER, path_, {{"documents", path_}})).value();
    });
    gone.netns.reset();
    Outcome done = restart(a_, network_, {&one});
    ASSERT_EQ(done.status, GANTRY_OK) << done.message;
    EXPECT_EQ(done.result["ready"], Json{network_["id"]});
    EXPECT_EQ(datagram(one, two, "10.99.2.2", 100), 0);
    Json nothing{{"boot_id", "1"}, {"objects", {{"networks", Json::array()}, {"endpoints", Json::array()}}}};
    one.netns.reset();
    done = inside(a_.netns.get(), [&] { return a_.driver->reconcile(nothing); });
    EXPECT_EQ(done.status, GANTRY_OK);
    const auto left = inside(a_.netns.get(), [] {
        auto kernel = netlink::Socket::open();
        return kernel->list("bridge")->size() + kernel->list("vxlan")->size();
    });
    EXPECT_EQ(left, 0u);
    detach(b_, two);
}

TEST_F(OverlayHosts, are_refused_what_the_documents_do_not_say) {
    Json other = network_;
    other["subnets"][0]["subnet"] = "10.98.0.0/16";
    other["subnets"][0]["gateway"] = "10.98.0.1";
    Outcome refused = a_.call(GANTRY_NETWORK, "ensure", {{"network", other}});
    EXPECT_EQ(refused.status, GANTRY_CONFLICT);
    EXPECT_EQ(refused.message,
              "network \"my-net\" has subnet 10.99.0.0/16 and gateway 10.99.0.1 in its documents, not 10.98.0.0/16 and "
              "10.98.0.1");
    Outcome agreed = a_.call(GANTRY_NETWORK_IPAM, "agree", {{"network", other}, {"fixed", false}});
    ASSERT_EQ(agreed.status, GANTRY_OK) << agreed.message;
    EXPECT_EQ(agreed.result["subnets"][0]["subnet"], "10.99.0.0/16");
    EXPECT_EQ(a_.call(GANTRY_NETWORK_IPAM, "ranges", {{"network", network_}}).result["ranges"], Json{"10.99.1.0/28"});
    EXPECT_EQ(a_.call(GANTRY_NETWORK_IPAM, "claim", {{"network", network_}, {"address", "10.99.2.2"}}).status,
              GANTRY_DENIED);
    EXPECT_EQ(a_.call(GANTRY_NETWORK_IPAM, "claim", {{"network", network_}, {"address", "10.99.3.2"}}).status,
              GANTRY_OK);
    Json encrypted = network_;
    encrypted["id"] = "fedcba9876543210";
    encrypted["options"] = {{"encrypted", true}};
    Outcome plain = a_.call(GANTRY_NETWORK, "ensure", {{"network", encrypted}});
    EXPECT_EQ(plain.status, GANTRY_UNSUPPORTED);
    EXPECT_NE(plain.message.find("option \"encrypted\""), std::string::npos) << plain.message;
}

}  // namespace
}  // namespace gantry::overlay
