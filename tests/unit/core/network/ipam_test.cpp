#include "core/network/ipam.hpp"

#include <gtest/gtest.h>

#include "core/network/ports.hpp"

namespace gantry::network {
namespace {

Prefix prefix(const char* text) { return parse_prefix(text).value(); }

TEST(Ipv4, reads_and_writes_addresses_and_prefixes) {
    EXPECT_EQ(show(parse_ipv4("172.18.0.2").value()), "172.18.0.2");
    for (const char* bad : {"", "1.2.3", "1.2.3.256", "1.2.3.4 ", "01.2.3.4x", "::1"})
        EXPECT_FALSE(parse_ipv4(bad)) << bad;
    EXPECT_EQ(prefix("172.18.7.9/20").text(), "172.18.0.0/20");
    EXPECT_EQ(show(prefix("10.0.0.0/8").last()), "10.255.255.255");
    EXPECT_EQ(show(prefix("0.0.0.0/0").last()), "255.255.255.255");
    EXPECT_EQ(prefix("10.0.0.1/32").last(), prefix("10.0.0.1/32").base);
    for (const char* bad : {"10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8x", "/8", "10.0.0.0/ 8"})
        EXPECT_FALSE(parse_prefix(bad)) << bad;
    EXPECT_TRUE(prefix("10.0.0.0/8").overlaps(prefix("10.1.0.0/16")));
    EXPECT_FALSE(prefix("10.0.0.0/16").overlaps(prefix("10.1.0.0/16")));
}

TEST(Ipam, gives_an_address_back_as_late_as_possible) {
    Ipam ipam(prefix("10.9.0.0/29"), prefix("10.9.0.0/29"));
    ipam.reserve(parse_ipv4("10.9.0.1").value());
    EXPECT_EQ(show(ipam.take().value()), "10.9.0.2");
    ipam.give_back(parse_ipv4("10.9.0.2").value());
    EXPECT_EQ(show(ipam.take().value()), "10.9.0.3");
    for (const char* next : {"10.9.0.4", "10.9.0.5", "10.9.0.6", "10.9.0.2"})
        EXPECT_EQ(show(ipam.take().value()), next);
    auto none = ipam.take();
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().code, Code::exhausted);
    EXPECT_EQ(ipam.available(), 0u);
}

TEST(Ipam, keeps_dynamic_addresses_inside_the_range_and_fixed_ones_inside_the_subnet) {
    Ipam ipam(prefix("10.9.0.0/24"), prefix("10.9.0.128/30"));
    EXPECT_EQ(show(ipam.take().value()), "10.9.0.128");
    EXPECT_TRUE(ipam.take(parse_ipv4("10.9.0.7").value()));
    EXPECT_EQ(ipam.take(parse_ipv4("10.9.0.7").value()).error().text, "Address already in use");
    EXPECT_FALSE(ipam.take(parse_ipv4("10.9.0.0").value()));
    EXPECT_FALSE(ipam.take(parse_ipv4("10.9.0.255").value()));
    EXPECT_FALSE(ipam.take(parse_ipv4("10.9.1.7").value()));
}

TEST(Carve, meets_nothing_that_is_there) {
    const std::vector<std::pair<std::string, int>> pools = {{"172.17.0.0/12", 20}};
    EXPECT_EQ(carve(pools, {}).value().text(), "172.17.0.0/20");
    const std::vector<Prefix> occupied = {prefix("172.17.0.0/16"), prefix("172.18.0.0/24"), prefix("172.18.16.1/32")};
    EXPECT_EQ(carve(pools, occupied).value().text(), "172.18.32.0/20");
    const std::vector<Prefix> everything = {prefix("172.16.0.0/12")};
    auto none = carve(pools, everything);
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().text, "all predefined address pools have been fully subnetted");
    EXPECT_FALSE(carve({{"172.17.0.0/24", 20}}, {}));
}

TEST(PortTable, knows_that_any_address_meets_every_address) {
    PortTable table;
    EXPECT_TRUE(table.claim({"tcp", 80, "127.0.0.1", 4000}, "a"));
    EXPECT_TRUE(table.claim({"tcp", 80, "127.0.0.2", 4000}, "b"));
    EXPECT_TRUE(table.claim({"udp", 80, "0.0.0.0", 4000}, "c"));
    auto taken = table.claim({"tcp", 80, "0.0.0.0", 4000}, "c");
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().text, "Bind for 0.0.0.0:4000 failed: port is already allocated");
    table.release({"tcp", 80, "127.0.0.1", 4000}, "b");  // not b's: nothing happens
    EXPECT_FALSE(table.claim({"tcp", 80, "127.0.0.1", 4000}, "c"));
    table.release({"tcp", 80, "127.0.0.1", 4000}, "a");
    EXPECT_TRUE(table.claim({"tcp", 80, "127.0.0.1", 4000}, "c"));
}

TEST(PortTable, gives_ephemeral_ports_one_after_the_other) {
    PortTable table;
    EXPECT_EQ(table.claim_ephemeral("tcp", "0.0.0.0", "a").value(), 32768);
    EXPECT_EQ(table.claim_ephemeral("tcp", "0.0.0.0", "a").value(), 32769);
    EXPECT_TRUE(table.claim({"tcp", 80, "127.0.0.1", 32770}, "b"));
    EXPECT_EQ(table.claim_ephemeral("tcp", "0.0.0.0", "a").value(), 32771);
}

TEST(PortTable, refuses_wishes_that_cannot_be) {
    EXPECT_EQ(checked_port({"", 80, "", 0}).value().host_address, "0.0.0.0");
    EXPECT_FALSE(checked_port({"icmp", 80, "", 0}));
    EXPECT_FALSE(checked_port({"tcp", 0, "", 0}));
    EXPECT_FALSE(checked_port({"tcp", 80, "1.2.3", 0}));
    EXPECT_EQ(checked_port({"tcp", 80, "::1", 0}).error().code, Code::unsupported);
}

}  // namespace
}  // namespace gantry::network
