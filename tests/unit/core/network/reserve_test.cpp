// Addresses that a driver's options keep free, and what a driver tells of an endpoint.
#include "core/network/model.hpp"
#include "testbed.hpp"

namespace gantry::network::test {
namespace {

class Reserve : public Bed {
protected:
    Json create(Json options, Json ipam = Json::array()) {
        options["parent"] = "lan0";
        auto made = service->create(
            {{"Name", "lan"}, {"Driver", "macvlan"}, {"Options", options}, {"IPAM", {{"Config", ipam}}}});
        EXPECT_TRUE(made) << made.error().text;
        return made ? *made : Json();
    }
    Json config() { return inspect("lan")["IPAM"]["Config"][0]; }
    std::string address_of_a_container() {
        auto attached = service->attach("c1", "web", "web", "lan", {}, {});
        EXPECT_TRUE(attached) << attached.error().text;
        return attached ? attached->settings["lan"]["IPAddress"].get<std::string>() : "";
    }
};

TEST_F(Reserve, takes_the_first_free_address_of_the_range) {
    create({{"host_access", "true"}}, {{{"Subnet", "10.5.0.0/24"}, {"IPRange", "10.5.0.64/27"}}});
    EXPECT_EQ(config()["AuxiliaryAddresses"], Json({{"host", "10.5.0.64"}}));
    EXPECT_EQ(address_of_a_container(), "10.5.0.65");
    reopen();
    EXPECT_EQ(config()["AuxiliaryAddresses"], Json({{"host", "10.5.0.64"}}));
}

TEST_F(Reserve, leaves_the_users_choice_alone) {
    create({{"host_access", "true"}},
           {{{"Subnet", "10.5.0.0/24"}, {"AuxiliaryAddresses", {{"host", "10.5.0.9"}, {"printer", "10.5.0.2"}}}}});
    EXPECT_EQ(config()["AuxiliaryAddresses"], Json({{"host", "10.5.0.9"}, {"printer", "10.5.0.2"}}));
    EXPECT_EQ(address_of_a_container(), "10.5.0.3");
}

TEST_F(Reserve, takes_none_where_the_option_is_off) {
    create({{"host_access", "false"}}, {{{"Subnet", "10.5.0.0/24"}}});
    EXPECT_FALSE(config().contains("AuxiliaryAddresses"));
}

TEST_F(Reserve, takes_one_of_a_subnet_that_the_engine_chose) {
    create({{"host_access", "true"}});
    const std::string subnet = config()["Subnet"], host = config()["AuxiliaryAddresses"]["host"];
    EXPECT_TRUE(parse_prefix(subnet)->contains(*parse_ipv4(host)));
    EXPECT_NE(host, config()["Gateway"]);
    EXPECT_NE(address_of_a_container(), host);
}

TEST_F(Reserve, has_nothing_left_for_a_range_that_is_full) {
    auto made = service->create({{"Name", "lan"},
                                 {"Driver", "macvlan"},
                                 {"Options", {{"parent", "lan0"}, {"host_access", "true"}}},
                                 {"IPAM", {{"Config", {{{"Subnet", "10.5.0.0/24"}, {"IPRange", "10.5.0.1/32"}}}}}}});
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code, Code::exhausted) << made.error().text;
    EXPECT_FALSE(service->inspect("lan"));
}

}  // namespace
}  // namespace gantry::network::test
