// Hosts as network namespaces, each with a driver of its own, and containers on them.
#pragma once
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

inline int shell(int netns, const std::string& command) {
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

// A datagram of `payload` bytes that must not be cut; 0, or the errno of the sender, or -1 where it did not arrive.
inline int datagram(const Container& from, const Container& to, const std::string& address, std::size_t payload) {
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

inline UniqueFd make_host_netns() { return gantry::testing::make_netns(); }

// A pair of interfaces "under" between two hosts, 10.77.0.1 and 10.77.0.2.
inline bool join_hosts(const UniqueFd& a, const UniqueFd& b) {
    const std::string other = "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(b.get());
    return shell(a.get(),
                 "ip link set lo up && ip link add under type veth peer name other && "
                 "ip address add 10.77.0.1/24 dev under && ip link set under up && ip link set other netns " +
                     other) == 0 &&
           shell(b.get(),
                 "ip link set lo up && ip link set other name under && ip address add 10.77.0.2/24 dev under && "
                 "ip link set under up") == 0;
}

inline Json network_named(const std::string& id, const Json& options) {
    return {{"id", id},
            {"generation", 1},
            {"name", "my-net"},
            {"labels", Json::object()},
            {"options", options},
            {"internal", false},
            {"subnets", {{{"subnet", "10.99.0.0/16"}, {"gateway", "10.99.0.1"}}}}};
}

// `address`: one of 10.99.0.0/16.
inline Container attach_container(HostUnderTest& host, const Json& network, const std::string& address,
                                  const std::string& mac = "") {
    Container container{gantry::testing::make_netns(), {}};
    const unsigned last = static_cast<unsigned>(std::atoi(address.substr(address.rfind('.') + 1).c_str()));
    const unsigned third = static_cast<unsigned>(std::atoi(address.substr(6).c_str()));
    char usual[18];
    std::snprintf(usual, sizeof usual, "02:42:0a:63:%02x:%02x", third & 255, last & 255);
    container.request = {{"network", network},
                         {"endpoint",
                          {{"id", "e" + address + "aaaaaaaaaaaa"},
                           {"generation", 1},
                           {"container", {{"id", "c"}, {"name", "c"}}},
                           {"names", {"c" + address}},
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

// What an engine that was restarted tells its driver: the network, and these containers on it.
inline Outcome restart(HostUnderTest& host, const Json& network, const std::vector<const Container*>& containers) {
    Json endpoints = Json::array();
    for (const Container* one : containers)
        endpoints.push_back(
            {{"network", network["id"]}, {"endpoint", one->request["endpoint"]}, {"ports", Json::array()}});
    const Json wanted{{"boot_id", "1"}, {"objects", {{"networks", {network}}, {"endpoints", endpoints}}}};
    return inside(host.netns.get(), [&] { return host.driver->reconcile(wanted); });
}

inline void detach_container(HostUnderTest& host, Container& container) {
    container.request["sandbox"]["gone"] = false;
    EXPECT_EQ(host.call(GANTRY_NETWORK, "detach", container.request, container.netns.get()).status, GANTRY_OK);
}

}  // namespace gantry::overlay
