#include "core/network/validate.hpp"

#include <gtest/gtest.h>

#include "core/network/links.hpp"

namespace gantry::network {
namespace {

std::string refusal(const char* body) {
    auto read = read_create_request(Json::parse(body));
    return read ? "" : read.error().text;
}

TEST(CreateRequest, reads_a_subnet_with_range_and_auxiliary_addresses) {
    auto read =
        read_create_request(Json::parse(R"({"Name": "n", "Internal": true, "Labels": {"a": "b"}, "IPAM": {"Config": [
        {"Subnet": "10.7.0.0/24", "IPRange": "10.7.0.128/25", "Gateway": "10.7.0.9", "AuxiliaryAddresses": {"router": "10.7.0.5"}}]}})"));
    ASSERT_TRUE(read) << read.error().text;
    EXPECT_EQ(read->subnet->text(), "10.7.0.0/24");
    EXPECT_EQ(read->range->text(), "10.7.0.128/25");
    EXPECT_EQ(show(read->gateway), "10.7.0.9");
    EXPECT_TRUE(read->internal);
    EXPECT_EQ(read->labels.at("a"), "b");
    EXPECT_EQ(read->auxiliary.at("router"), "10.7.0.5");
}

TEST(CreateRequest, says_in_dockers_words_what_is_wrong) {
    EXPECT_EQ(refusal(R"({"Name": "n", "IPAM": {"Config": [{"Subnet": "10.7.0.1/24"}]}})"),
              "invalid network config: invalid subnet 10.7.0.1/24: it should be 10.7.0.0/24");
    EXPECT_EQ(
        refusal(R"({"Name": "n", "IPAM": {"Config": [{"Subnet": "10.7.0.0/24", "Gateway": "10.8.0.1"}]}})"),
        "invalid network config: invalid gateway 10.8.0.1: parent subnet 10.7.0.0/24 doesn't contain this address");
    EXPECT_EQ(
        refusal(R"({"Name": "n", "IPAM": {"Config": [{"Subnet": "10.7.0.0/24", "IPRange": "10.0.0.0/8"}]}})"),
        "invalid network config: invalid ip-range 10.0.0.0/8: CIDR block is bigger than its parent subnet 10.7.0.0/24");
    EXPECT_NE(refusal(R"({"Name": "n", "IPAM": {"Config": [{"Subnet": "rubbish"}]}})"), "");
    EXPECT_NE(refusal(R"({"Name": "n", "IPAM": {"Config": [{"Subnet": "127.0.0.0/8"}]}})"), "");
    EXPECT_NE(refusal(R"({"Name": "n", "IPAM": {"Config": [{"Subnet": "10.7.0.0/31"}]}})"), "");
    EXPECT_NE(refusal(R"({"Name": "n", "EnableIPv4": false})"), "");
    EXPECT_NE(refusal(R"({"Name": "n", "Labels": {"a": 1}})"), "");
    EXPECT_NE(refusal(R"({"Name": "n", "Labels": []})"), "");
    EXPECT_NE(refusal(R"({"Name": "n", "IPAM": 7})"), "");
    EXPECT_NE(refusal(R"({"Name": "n", "IPAM": {"Config": [7]}})"), "");
    for (const char* name : {"", "../x", "a b", "a/b", "-a"})
        EXPECT_NE(refusal(Json{{"Name", name}}.dump().c_str()), "") << name;
}

TEST(Mac, is_one_station_in_lower_case) {
    EXPECT_EQ(checked_mac("02:42:AC:11:00:02").value(), "02:42:ac:11:00:02");
    EXPECT_EQ(checked_mac("02-42-ac-11-00-02").value(), "02:42:ac:11:00:02");
    for (const char* bad :
         {"", "02:42", "01:00:5e:00:00:01", "00:00:00:00:00:00", "02:42:ac:11:00:zz", "02:42:ac:11:00:02:03"})
        EXPECT_FALSE(checked_mac(bad)) << bad;
    EXPECT_EQ(mac_of(parse_ipv4("172.17.0.2").value()), "02:42:ac:11:00:02");
}

}  // namespace
TEST(Links, are_taken_apart_as_clients_write_them) {
    for (auto [text, target, alias] : {std::tuple("db", "db", "db"), std::tuple("db:x", "db", "x"),
                                       std::tuple("/db:/web/x", "db", "x"), std::tuple("/db", "db", "db")}) {
        auto link = parse_link(text);
        ASSERT_TRUE(link) << text;
        EXPECT_EQ(link->target, target) << text;
        EXPECT_EQ(link->alias, alias) << text;
    }
    for (const char* text :
         {"", ":", "db:", ":x", "a:b:c", "db:a b", "db:a\n1.2.3.4 evil", "../db:x", "/db:/web/", "db:.."})
        EXPECT_EQ(parse_link(text).error().code, Code::invalid) << text;
}

}  // namespace gantry::network
