// Two hosts as network namespaces, each with a driver of its own, and a container on each.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <thread>

#include "plugins/network/common/netlink.hpp"
#include "sdk/testing/fake_host.hpp"
#include "sdk/testing/network_suite.hpp"

namespace gantry::overlay {
namespace {

using gantry::testing::FakeHost;
using gantry::testing::Outcome;

// Runs fn in a network namespace, on a thread of its own.
template <typename F>
auto inside(int netns, F fn) {
    std::promise<decltype(fn())> result;
    std::thread([&] {
        if (::setns(netns, CLONE_NEWNET) != 0) std::abort();
        result.set_value(fn());
    }).join();
    return result.get_future().get();
}

int shell(int netns, const std::string& command) {
    return inside(netns, [&] { return std::system(command.c_str()); });
}

struct Container {
    UniqueFd netns;
    Json request;
};

struct HostUnderTest {
    UniqueFd netns;
    std::unique_ptr<FakeHost> driver;

    Outcome call(const char* table, const char* operation, const Json& request, int sandbox = -1) {
        return inside(netns.get(), [&] {
            std::vector<std::pair<std::string, int>> fds;
            if (sandbox >= 0) fds.emplace_back("netns", sandbox);
            return driver->call(table, operation, request, fds);
        });
    }
};

class OverlayHosts : public ::testing::Test {
protected:
    std::string path_;
    HostUnderTest a_, b_;
    Json network_;

    void SetUp() override {
        if (::geteuid() != 0) GTEST_SKIP() << "needs root: it makes network namespaces";
        char name[] = "/tmp/overlay-hosts-XXXXXX";
        path_ = ::mkdtemp(name);
        a_.netns = gantry::testing::make_netns();
        b_.netns = gantry::testing::make_netns();
        ASSERT_TRUE(a_.netns && b_.netns);
        ASSERT_EQ(shell(a_.netns.get(),
                        "ip link set lo up && ip link add under type veth peer name other && "
                        "ip address add 10.77.0.1/24 dev under && ip link set under up"),
                  0);
        const std::string move =
            "ip link set other netns /proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(b_.netns.get());
        ASSERT_EQ(shell(a_.netns.get(), move), 0);
        ASSERT_EQ(shell(b_.netns.get(),
                        "ip link set lo up && ip link set other name under && "
                        "ip address add 10.77.0.2/24 dev under && ip link set under up"),
                  0);
        write(Json::array());
        network_ = {{"id", "0123456789abcdef"},
                    {"generation", 1},
                    {"name", "my-net"},
                    {"labels", Json::object()},
                    {"options", Json::object()},
                    {"internal", false},
                    {"subnets", {{{"subnet", "10.99.0.0/16"}, {"gateway", "10.99.0.1"}}}}};
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
        Container container{gantry::testing::make_netns(), {}};
        const unsigned last = static_cast<unsigned>(std::atoi(address.substr(address.rfind('.') + 1).c_str()));
        const unsigned third = static_cast<unsigned>(std::atoi(address.substr(6).c_str()));
        char usual[18];
        std::snprintf(usual, sizeof usual, "02:42:0a:63:%02x:%02x", third, last);
        container.request = {{"network", network_},
                             {"endpoint",
                              {{"id", "e" + address + "aaaaaaaaaaaa"},
                               {"generation", 1},
                               {"container", {{"id", "c"}, {"name", "c"}}},
                               {"mac", mac.empty() ? usual : mac},
                               {"addresses", {address + "/16"}},
                               {"options", Json::object()}}},
                             {"sandbox", {{"id", "s" + address}, {"kind", "netns"}}},
                             {"interface", "eth0"},
                             {"default_gateway", true}};
        Outcome done = host.call(GANTRY_NETWORK, "attach", container.request, container.netns.get());
        EXPECT_EQ(done.status, GANTRY_OK) << done.message;
        return container;
    }
    void detach(HostUnderTest& host, Container& container) {
        container.request["sandbox"]["gone"] = false;
        EXPECT_EQ(host.call(GANTRY_NETWORK, "detach", container.request, container.netns.get()).status, GANTRY_OK);
    }
    void ensure_both() {
        for (HostUnderTest* host : {&a_, &b_}) {
            Outcome done = host->call(GANTRY_NETWORK, "ensure", {{"network", network_}});
            ASSERT_EQ(done.status, GANTRY_OK) << done.message;
            EXPECT_EQ(done.result.value("mtu", 0), 1450);
        }
    }
};

// A datagram of `payload` bytes that must not be cut; 0, or the errno of the sender, or -1 where it did not arrive.
int datagram(const Container& from, const Container& to, const std::string& address, std::size_t payload) {
    UniqueFd receiver = inside(to.netns.get(), [] {
        UniqueFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        sockaddr_in any{};
        any.sin_family = AF_INET;
        any.sin_port = htons(7777);
        (void)::bind(fd.get(), reinterpret_cast<sockaddr*>(&any), sizeof any);
        return fd;
    });
    const int sent = inside(from.netns.get(), [&] {
        UniqueFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        const int whole = IP_PMTUDISC_DO;
        ::setsockopt(fd.get(), IPPROTO_IP, IP_MTU_DISCOVER, &whole, sizeof whole);
        sockaddr_in there{};
        there.sin_family = AF_INET;
        there.sin_port = htons(7777);
        ::inet_pton(AF_INET, address.c_str(), &there.sin_addr);
        const std::string bytes(payload, 'x');
        return ::sendto(fd.get(), bytes.data(), bytes.size(), 0, reinterpret_cast<sockaddr*>(&there), sizeof there) < 0
                   ? errno
                   : 0;
    });
    if (sent != 0) return sent;
    pollfd one{receiver.get(), POLLIN, 0};
    if (::poll(&one, 1, 3000) != 1) return -1;
    std::string bytes(65536, ' ');
    return ::recv(receiver.get(), bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(payload) ? 0 : -1;
}

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
    const Json wanted{
        {"boot_id", "1"},
        {"objects",
         {{"networks", {network_}},
          {"endpoints",
           {{{"network", network_["id"]}, {"endpoint", one.request["endpoint"]}, {"ports", Json::array()}}}}}}};
    Outcome done = inside(a_.netns.get(), [&] { return a_.driver->reconcile(wanted); });
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
    EXPECT_NE(plain.message.find("encrypted"), std::string::npos) << plain.message;
}

}  // namespace
}  // namespace gantry::overlay
