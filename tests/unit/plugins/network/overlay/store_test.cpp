// Two hosts that share an etcd, which goes away and comes back.
#include "tests/unit/plugins/network/overlay/with_etcd.hpp"

namespace gantry::overlay {
namespace {

TEST_F(OverlayStore, makes_two_hosts_one_network_and_keeps_nothing_of_it_after_the_last_has_left) {
    ensure_both();
    const std::string on_a = first_address(a_, network_a_), on_b = first_address(b_, network_b_);
    ASSERT_NE(on_a, on_b);
    Container one = attach_container(a_, network_a_, on_a), two = attach_container(b_, network_b_, on_b);
    EXPECT_TRUE(soon([&] { return names_on(a_, network_a_) == "c" + on_b + " "; })) << names_on(a_, network_a_);
    EXPECT_TRUE(soon([&] { return datagram(one, two, on_b, 1450 - 28) == 0; }));
    EXPECT_TRUE(soon([&] { return datagram(two, one, on_a, 1450 - 28) == 0; }));
    detach_container(b_, two);
    EXPECT_TRUE(soon([&] { return names_on(a_, network_a_).empty(); })) << names_on(a_, network_a_);
    detach_container(a_, one);
    remove_both();
}

TEST_F(OverlayStore, is_not_needed_for_what_is_known_nor_for_local_starts) {
    ensure_both();
    const std::string on_a = first_address(a_, network_a_), on_b = first_address(b_, network_b_);
    Container one = attach_container(a_, network_a_, on_a), two = attach_container(b_, network_b_, on_b);
    ASSERT_TRUE(soon([&] { return datagram(one, two, on_b, 100) == 0; }));
    ASSERT_TRUE(soon([&] { return datagram(two, one, on_a, 100) == 0; }));
    // Told, not only reached: the block of an address leads there before it is listed.
    ASSERT_TRUE(soon([&] { return names_on(b_, network_b_) == "c" + on_a + " "; })) << names_on(b_, network_b_);
    stop_etcd();
    // The driver of one host is restarted meanwhile.
    ::sleep(2);
    b_.driver.reset();
    open(b_);
    Outcome done = restart(b_, network_b_, {&two});
    ASSERT_EQ(done.status, GANTRY_OK) << done.message;
    EXPECT_EQ(done.result["failed"], Json::array());
    EXPECT_EQ(datagram(one, two, on_b, 100), 0);
    EXPECT_EQ(datagram(two, one, on_a, 100), 0);
    EXPECT_EQ(names_on(b_, network_b_), "c" + on_a + " ");
    std::string next =
        on_a.substr(0, on_a.rfind('.') + 1) + std::to_string(std::atoi(on_a.c_str() + on_a.rfind('.') + 1) + 1);
    Container late = attach_container(a_, network_a_, next);
    EXPECT_EQ(datagram(late, one, on_a, 100), 0);
    Outcome claim = a_.call(GANTRY_NETWORK_IPAM, "claim", {{"network", network_a_}, {"address", "10.99.200.9"}});
    EXPECT_EQ(claim.status, GANTRY_RETRY_LATER) << claim.message;
    // The other host knows the block that its address is of.
    EXPECT_EQ(datagram(two, late, next, 100), 0);
    EXPECT_EQ(datagram(late, two, on_b, 100), 0);
    start_etcd();
    EXPECT_TRUE(soon([&] { return datagram(two, late, next, 100) == 0; }));
    EXPECT_EQ(datagram(one, two, on_b, 100), 0);
    for (Container* container : {&one, &late}) detach_container(a_, *container);
    detach_container(b_, two);
    remove_both();
}

TEST_F(OverlayStore, lets_one_host_at_a_time_have_an_address) {
    ensure_both();
    const Json on_a{{"network", network_a_}, {"address", "10.99.200.7"}},
        on_b{{"network", network_b_}, {"address", "10.99.200.7"}};
    EXPECT_EQ(a_.call(GANTRY_NETWORK_IPAM, "claim", on_a).status, GANTRY_OK);
    EXPECT_EQ(a_.call(GANTRY_NETWORK_IPAM, "claim", on_a).status, GANTRY_OK);
    Outcome refused = b_.call(GANTRY_NETWORK_IPAM, "claim", on_b);
    EXPECT_EQ(refused.status, GANTRY_DENIED) << refused.message;
    EXPECT_EQ(a_.call(GANTRY_NETWORK_IPAM, "release", on_a).status, GANTRY_OK);
    EXPECT_TRUE(soon([&] { return b_.call(GANTRY_NETWORK_IPAM, "claim", on_b).status == GANTRY_OK; }));
    EXPECT_EQ(a_.call(GANTRY_NETWORK_IPAM, "claim", on_a).status, GANTRY_DENIED);
    remove_both();
}

TEST_F(OverlayStore, leaves_an_address_that_changes_hands_with_who_has_it) {
    ensure_both();
    struct Side {
        HostUnderTest& host;
        Json what;
    };
    Side one{a_, {{"network", network_a_}, {"address", "10.99.200.7"}}},
        two{b_, {{"network", network_b_}, {"address", "10.99.200.7"}}};
    auto ask = [](Side& side, const char* call) { return side.host.call(GANTRY_NETWORK_IPAM, call, side.what).status; };
    for (int round = 0; round < 20; ++round) {
        Side &mine = round % 2 == 0 ? one : two, &other = round % 2 == 0 ? two : one;
        ASSERT_TRUE(soon([&] { return ask(mine, "claim") == GANTRY_OK; })) << round;
        // Given back and taken again: between them nobody else may have come, or the second is refused.
        ASSERT_EQ(ask(mine, "release"), GANTRY_OK);
        ASSERT_EQ(ask(mine, "claim"), GANTRY_OK) << round;
        for (int i = 0; i < 10; ++i) ASSERT_EQ(ask(other, "claim"), GANTRY_DENIED) << round;
        ASSERT_EQ(ask(mine, "release"), GANTRY_OK);
    }
    EXPECT_TRUE(soon([&] {
        const auto all = keys().value_or(std::vector<std::string>{"/ip/"});
        return std::none_of(all.begin(), all.end(),
                            [](const std::string& key) { return key.find("/ip/") != key.npos; });
    }));
    remove_both();
}

}  // namespace
}  // namespace gantry::overlay
