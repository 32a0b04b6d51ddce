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

Prefix6 prefix6(const char* text) { return Prefix6::parse(text).value(); }

TEST(Ipv6, reads_and_writes_addresses_and_prefixes) {
    EXPECT_EQ(show(parse_ipv6("FD00:0:0:0:0:0:0:2").value()), "fd00::2");
    for (const char* bad : {"", "1.2.3.4", "fd00", "fd00::1::2", "fe80::1%eth0", "fd00::1 "})
        EXPECT_FALSE(parse_ipv6(bad)) << bad;
    EXPECT_EQ(prefix6("fd00:1::77/64").text(), "fd00:1::/64");
    EXPECT_EQ(show(prefix6("fd00::/8").last()), "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
    EXPECT_EQ(show(prefix6("::/0").last()), "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
    EXPECT_EQ(prefix6("fd00::1/128").last(), prefix6("fd00::1/128").base);
    for (const char* bad : {"fd00::", "fd00::/", "fd00::/129", "10.0.0.0/8", "/64"})
        EXPECT_FALSE(Prefix6::parse(bad)) << bad;
    EXPECT_TRUE(prefix6("fd00::/8").overlaps(prefix6("fd12::/64")));
    EXPECT_FALSE(prefix6("fd00::/64").overlaps(prefix6("fd00:0:0:1::/64")));
}

TEST(Ipam6, gives_addresses_of_the_range_and_counts_what_can_be_counted) {
    Ipam6 ipam(prefix6("fd00::/64"), prefix6("fd00::100/126"));
    ipam.reserve(parse_ipv6("fd00::1").value());
    EXPECT_EQ(ipam.available(), 4u);
    for (const char* next : {"fd00::100", "fd00::101", "fd00::102", "fd00::103"})
        EXPECT_EQ(show(ipam.take().value()), next);
    EXPECT_EQ(ipam.take().error().text, "no available IPv6 addresses");
    EXPECT_TRUE(ipam.take(parse_ipv6("fd00::ffff:ffff:ffff:ffff").value())) << "there is no broadcast address";
    EXPECT_FALSE(ipam.take(parse_ipv6("fd00::").value())) << "of the subnet's routers";
    EXPECT_EQ(Ipam6(prefix6("fd00::/48"), prefix6("fd00::/48")).available(), SIZE_MAX);
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
    EXPECT_EQ(carve<Ipv4>(pools, {}).value().text(), "172.17.0.0/20");
    const std::vector<Prefix> occupied = {prefix("172.17.0.0/16"), prefix("172.18.0.0/24"), prefix("172.18.16.1/32")};
    EXPECT_EQ(carve<Ipv4>(pools, occupied).value().text(), "172.18.32.0/20");
    const std::vector<Prefix> everything = {prefix("172.16.0.0/12")};
    auto none = carve<Ipv4>(pools, everything);
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().text, "all predefined address pools have been fully subnetted");
    EXPECT_FALSE(carve<Ipv4>({{"172.17.0.0/24", 20}}, {}));
    EXPECT_FALSE(carve<Ipv4>({{"255.255.255.0/24", 26}}, std::vector<Prefix>{prefix("255.255.255.0/24")}));

    const Pools mixed = {{"172.17.0.0/16", 24}, {"fd12::/48", 64}};
    EXPECT_EQ(carve<Ipv6>(mixed, {}).value().text(), "fd12::/64");
    const std::vector<Prefix6> taken = {prefix6("fd12::/64"), prefix6("fd12:0:0:1::7/128")};
    EXPECT_EQ(carve<Ipv6>(mixed, taken).value().text(), "fd12:0:0:2::/64");
    EXPECT_FALSE(carve<Ipv6>(mixed, std::vector<Prefix6>{prefix6("fd00::/8")}));
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

TEST(PortTable, keeps_the_families_apart) {
    PortTable table;
    EXPECT_TRUE(table.claim({"tcp", 80, "0.0.0.0", 4000}, "a"));
    EXPECT_TRUE(table.claim({"tcp", 80, "::", 4000}, "b"));
    EXPECT_FALSE(table.claim({"tcp", 80, "fd00::1", 4000}, "a"));
    EXPECT_EQ(table.claim_ephemeral("tcp", {"0.0.0.0", "::"}, "c").value(), 32768);
    EXPECT_FALSE(table.claim({"tcp", 80, "::", 32768}, "d"));
}

TEST(PortTable, gives_ephemeral_ports_one_after_the_other) {
    PortTable table;
    EXPECT_EQ(table.claim_ephemeral("tcp", {"0.0.0.0"}, "a").value(), 32768);
    EXPECT_EQ(table.claim_ephemeral("tcp", {"0.0.0.0"}, "a").value(), 32769);
    EXPECT_TRUE(table.claim({"tcp", 80, "127.0.0.1", 32770}, "b"));
    EXPECT_EQ(table.claim_ephemeral("tcp", {"0.0.0.0"}, "a").value(), 32771);
}

TEST(PortTable, refuses_wishes_that_cannot_be) {
    EXPECT_EQ(checked_port({"", 80, "", 0}).value().protocol, "tcp");
    EXPECT_EQ(checked_port({"", 80, "FD00:0::1", 0}).value().host_address, "fd00::1");
    EXPECT_FALSE(checked_port({"icmp", 80, "", 0}));
    EXPECT_FALSE(checked_port({"tcp", 0, "", 0}));
    EXPECT_FALSE(checked_port({"tcp", 80, "1.2.3", 0}));
    EXPECT_EQ(checked_port({"tcp", 80, "::1", 0}).error().code, Code::unsupported);
}

}  // namespace
}  // namespace gantry::network
