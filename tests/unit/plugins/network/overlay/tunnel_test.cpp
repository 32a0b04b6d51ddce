// Keys of encrypted networks, and the addresses that follow from them.
#include "plugins/network/overlay/tunnel.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <numeric>

namespace gantry::overlay {
namespace {

constexpr const char* public_text = "j0DFrbaPJWJK5bIU6nZ6bslNgp09e14a0bpvPiE4KF8=";

class OverlayTunnel : public ::testing::Test {
protected:
    void SetUp() override {
        char name[] = "/tmp/overlay-tunnel-XXXXXX";
        path_ = ::mkdtemp(name);
    }
    void TearDown() override { std::filesystem::remove_all(path_); }
    std::string path_;
};

TEST_F(OverlayTunnel, keys_and_addresses_are_the_same_everywhere) {
    // Computed by another program after RFC 7748, 5, from the bytes 0 to 31.
    netlink::WireguardKey secret{};
    std::iota(secret.begin(), secret.end(), static_cast<unsigned char>(0));
    auto made = public_key_of(secret);
    ASSERT_TRUE(made) << made.error().text;
    EXPECT_EQ(*made, parse_key(public_text));
    EXPECT_EQ(tunnel_address(*made), "fe80::eedd:883d:a0a9:4515");
}

TEST_F(OverlayTunnel, keys_are_made_once_and_kept_from_others) {
    auto first = tunnel_keys(path_, "net");
    ASSERT_TRUE(first) << first.error().text;
    EXPECT_TRUE(parse_key(first->public_key));
    EXPECT_EQ(first->port, 0);
    struct stat info {};
    ASSERT_EQ(::stat((path_ + "/net.wireguard").c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600u);
    first->port = 4242;
    ASSERT_TRUE(keep_tunnel_keys(path_, "net", *first));
    auto second = tunnel_keys(path_, "net");
    ASSERT_TRUE(second) << second.error().text;
    EXPECT_EQ(second->public_key, first->public_key);
    EXPECT_EQ(second->port, 4242);
    auto other = tunnel_keys(path_, "other");
    ASSERT_TRUE(other) << other.error().text;
    EXPECT_NE(other->public_key, first->public_key);
    drop_tunnel_keys(path_, "net");
    EXPECT_FALSE(std::filesystem::exists(path_ + "/net.wireguard"));
}

TEST_F(OverlayTunnel, damaged_keys_are_named_and_not_replaced) {
    for (const char* text : {"", "{}", "[1]", "{\"secret\": \"AAAA\"}", "{\"secret\": 7}"}) {
        std::ofstream(path_ + "/net.wireguard") << text;
        auto keys = tunnel_keys(path_, "net");
        ASSERT_FALSE(keys) << text;
        EXPECT_EQ(keys.error().code, Code::corrupt);
        EXPECT_NE(keys.error().text.find("net.wireguard\" is damaged"), std::string::npos) << keys.error().text;
    }
}

TEST_F(OverlayTunnel, hosts_without_a_key_are_not_behind_it) {
    std::vector<Peer> peers(3);
    peers[0].host = "one";
    peers[0].tunnel = TunnelEnd{public_text, 4242};
    peers[1].host = "two";
    peers[2].host = "three";
    peers[2].tunnel = TunnelEnd{"AAAA", 4242};
    const auto behind = behind_tunnel(peers);
    ASSERT_EQ(behind.size(), 1u);
    EXPECT_EQ(behind.front().host, "one");
    EXPECT_EQ(behind.front().vtep, "fe80::eedd:883d:a0a9:4515");
}

}  // namespace
}  // namespace gantry::overlay
