#include <gtest/gtest.h>

#include "plugins/network/overlay/data_plane.hpp"

namespace gantry::overlay {
namespace {

std::uint32_t at(const char* text) { return *parse_address(text); }

Peer peer(const std::string& vtep, std::vector<Member> members, std::vector<Block> blocks) {
    Peer one;
    one.host = vtep;
    one.vtep = vtep;
    one.members = std::move(members);
    one.blocks = std::move(blocks);
    return one;
}

TEST(OverlayPlaces, of_a_block_lead_to_its_host_ahead) {
    const Places places = places_of({peer("10.0.0.2", {}, {*parse_block("10.99.0.64/30")})}, {});
    ASSERT_EQ(places.size(), 4u);
    EXPECT_EQ(places.at(at("10.99.0.66")), (Place{"02:42:0a:63:00:42", "10.0.0.2"}));
}

TEST(OverlayPlaces, that_are_listed_lead_where_they_are_listed) {
    const Member moved{at("10.99.0.65"), "02:42:aa:00:00:01", {"web"}};
    const Places places = places_of(
        {peer("10.0.0.2", {}, {*parse_block("10.99.0.64/30")}), peer("10.0.0.3", {moved}, {})}, {at("10.99.0.66")});
    EXPECT_EQ(places.at(moved.address), (Place{moved.mac, "10.0.0.3"}));
    EXPECT_FALSE(places.contains(at("10.99.0.66"))) << "this host's own";
    EXPECT_EQ(places.size(), 3u);
}

TEST(OverlayPlaces, ahead_are_limited) {
    std::vector<Block> blocks;
    for (std::uint32_t i = 0; i < 300; ++i) blocks.push_back({at("10.96.0.0") + 64 * i, 26});
    EXPECT_EQ(places_of({peer("10.0.0.2", {}, blocks)}, {}).size(), 16384u);
}

TEST(OverlayPlaces, of_the_last_block_there_is_end) {
    EXPECT_EQ(places_of({peer("10.0.0.2", {}, {{at("255.255.255.192"), 26}})}, {}).size(), 64u);
}

}  // namespace
}  // namespace gantry::overlay
