#include <gtest/gtest.h>
#include <linux/if_link.h>

#include "plugins/network/ipvlan/options.hpp"
#include "plugins/network/macvlan/options.hpp"

namespace gantry::child {
namespace {

Network with(Json options) {
    Network network;
    network.id = std::string(64, 'a');
    network.name = "lan";
    network.options = std::move(options);
    return network;
}

template <typename R>
std::string why(const R& result) {
    return result ? "no error" : result.error().text;
}

TEST(MacvlanOptions, default_to_mode_bridge_and_the_parents_mtu) {
    auto read = macvlan::read_options(with({{"parent", "eth0"}}));
    ASSERT_TRUE(read) << why(read);
    EXPECT_EQ(read->parent, "eth0");
    EXPECT_EQ(read->mode, MACVLAN_MODE_BRIDGE);
    EXPECT_EQ(read->mtu, 0);
    EXPECT_FALSE(read->alone);
    EXPECT_FALSE(read->one_mode);
    EXPECT_FALSE(read->host_access);
}

TEST(MacvlanOptions, have_the_kernels_numbers_for_modes) {
    const std::pair<const char*, std::uint32_t> modes[] = {
        {"private", MACVLAN_MODE_PRIVATE}, {"vepa", MACVLAN_MODE_VEPA}, {"passthru", MACVLAN_MODE_PASSTHRU}};
    for (const auto& [name, number] : modes) {
        auto read = macvlan::read_options(with({{"parent", "eth0"}, {"macvlan_mode", name}}));
        ASSERT_TRUE(read) << why(read);
        EXPECT_EQ(read->mode, number);
        EXPECT_EQ(read->alone, number == MACVLAN_MODE_PASSTHRU);
    }
}

TEST(MacvlanOptions, of_the_schema_are_those_that_are_read) {
    const Json schema = macvlan::object_options();
    for (const Json& mode : schema["macvlan_mode"]["values"])
        EXPECT_TRUE(macvlan::read_options(with({{"parent", "eth0"}, {"macvlan_mode", mode}}))) << mode;
    EXPECT_EQ(why(macvlan::read_options(with({{"parent", "eth0"}, {"macvlan_mode", "l2"}}))),
              "option \"macvlan_mode\" is \"l2\"; one of \"bridge\", \"private\", \"vepa\", \"passthru\" is needed");
    EXPECT_EQ(schema["host_access"]["reserves"], "host");
}

TEST(MacvlanOptions, host_access_takes_the_auxiliary_address_host) {
    Network network = with({{"parent", "eth0"}, {"host_access", true}});
    EXPECT_EQ(why(macvlan::read_options(network)),
              "option \"host_access\" needs an address for the host: the auxiliary address \"host\"");
    network.auxiliary["host"] = "10.0.0.9";
    auto read = macvlan::read_options(network);
    ASSERT_TRUE(read) << why(read);
    EXPECT_EQ(read->host_access, "10.0.0.9");
    network.options["macvlan_mode"] = "vepa";
    EXPECT_EQ(why(macvlan::read_options(network)),
              "option \"host_access\" needs macvlan_mode \"bridge\", not \"vepa\"");
}

TEST(MacvlanOptions, a_parent_must_be_able_to_be_an_interface) {
    for (const char* bad : {"a/b", "..", "sixteen.letters.", "a b", "a:b", "eth%d"})
        EXPECT_NE(why(macvlan::read_options(with({{"parent", bad}}))).find("cannot name an interface"),
                  std::string::npos)
            << bad;
}

TEST(IpvlanOptions, have_the_kernels_numbers_for_modes_and_flags) {
    auto standard = ipvlan::read_options(with({{"parent", "eth0"}}));
    ASSERT_TRUE(standard) << why(standard);
    EXPECT_EQ(standard->mode, IPVLAN_MODE_L2);
    EXPECT_EQ(standard->flags, std::uint16_t{0});
    EXPECT_FALSE(standard->routed);
    EXPECT_TRUE(standard->one_mode);
    auto other = ipvlan::read_options(with({{"parent", "eth0"}, {"ipvlan_mode", "l3s"}, {"ipvlan_flag", "private"}}));
    ASSERT_TRUE(other) << why(other);
    EXPECT_EQ(other->mode, IPVLAN_MODE_L3S);
    EXPECT_EQ(other->flags, std::uint16_t{IPVLAN_F_PRIVATE});
    EXPECT_TRUE(other->routed);
    EXPECT_EQ(other->mode_text, "l3s with flag private");
}

TEST(IpvlanOptions, of_the_schema_are_those_that_are_read) {
    const Json schema = ipvlan::object_options();
    for (const Json& mode : schema["ipvlan_mode"]["values"])
        for (const Json& flag : schema["ipvlan_flag"]["values"])
            EXPECT_TRUE(ipvlan::read_options(with({{"parent", "eth0"}, {"ipvlan_mode", mode}, {"ipvlan_flag", flag}})));
    EXPECT_EQ(why(ipvlan::read_options(with({{"ipvlan_mode", "l4"}}))),
              "option \"ipvlan_mode\" is \"l4\"; one of [\"l2\",\"l3\",\"l3s\"] is needed");
}

}  // namespace
}  // namespace gantry::child
