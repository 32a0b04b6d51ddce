// A network of our own for tests: the process moves into a new network namespace, which plays the host, with a
// neighbour namespace on its LAN. Nothing touches the real host.
#pragma once
#include <gtest/gtest.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/driver/registry.hpp"
#include "core/network/network_service.hpp"
#include "core/store/store.hpp"

namespace gantry::network::test {

constexpr const char* host_address = "192.0.2.1";
constexpr const char* neighbour_address = "192.0.2.2";
constexpr const char* host_address6 = "2001:db8::1";
constexpr const char* neighbour_address6 = "2001:db8::2";

// Runs a program and gives its standard output; fails the test where it fails.
std::string run(const std::vector<std::string>& argv);
// The same inside a network namespace.
std::string run_in(int netns, std::vector<std::string> argv);

// A listening socket in a namespace (-1: the host's).
UniqueFd listen_in(int netns, std::uint16_t port, const char* address = "0.0.0.0");
// Connects from a namespace to address:port; the address that `listener` saw as the client's, or nothing where no
// connection came in time.
std::optional<std::string> reach(int from, const std::string& address, std::uint16_t port, int listener,
                                 int timeout_ms = 600);
// "web" <- one datagram sent from a namespace; true where `receiver` got it.
bool reach_udp(int from, const std::string& address, std::uint16_t port, int receiver, int timeout_ms = 600);
// The same from a socket that the caller keeps.
bool send_udp(int sender, const std::string& address, std::uint16_t port, int receiver, int timeout_ms = 600);
UniqueFd receive_udp_in(int netns, std::uint16_t port);

// Skips where not root. The host, its LAN and an engine on it.
class Bed : public ::testing::Test {
protected:
    static void SetUpTestSuite();
    void SetUp() override;
    void TearDown() override;
    // Another engine's view on the same store, as after a restart.
    void reopen();
    Json inspect(const std::string& network);
    std::string links();
    std::string ruleset();

    std::filesystem::path directory;
    std::string engine;
    UniqueFd neighbour;
    std::unique_ptr<store::Store> store;
    std::unique_ptr<driver::Registry> drivers;
    std::unique_ptr<NetworkService> service;
};

Port tcp(std::uint16_t host, std::uint16_t container, std::string address = "0.0.0.0");

}  // namespace gantry::network::test
