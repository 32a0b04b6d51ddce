#include "core/container/port_changes.hpp"

#include <gtest/gtest.h>

#include "core/container/create_request.hpp"

namespace gantry::container {
namespace {

using network::Port;

Container published(Json bindings, bool all = false) {
    std::vector<std::string> warnings;
    auto c = read_create_request({{"Image", "x"},
                                  {"Cmd", {"serve"}},
                                  {"ExposedPorts", {{"90/tcp", Json::object()}, {"91-92/udp", Json::object()}}},
                                  {"HostConfig", {{"PortBindings", std::move(bindings)}, {"PublishAllPorts", all}}}},
                                 Json::object(), {"rt", "layers"}, &warnings);
    EXPECT_TRUE(c) << c.error().text;
    c->name = "web";
    return std::move(c).value();
}

Json at(const char* port, const char* address = "") { return {{"HostIp", address}, {"HostPort", port}}; }
Json one(const char* inside, const char* port, const char* address = "") {
    return {{inside, Json::array({at(port, address)})}};
}
Json named(const char* inside) { return {{inside, nullptr}}; }

const Json none = Json::object();

std::string why(const Result<PortChanges>& changes) { return changes ? "accepted" : changes.error().text; }

TEST(PortChanges, adds_what_is_new_and_keeps_the_rest) {
    const Container c = published(one("80/tcp", "8080"));
    const std::vector<Port> bound = {{"tcp", 80, "0.0.0.0", 8080}, {"tcp", 80, "::", 8080}};
    auto changes = change_ports(c, bound, {{"80/tcp", {at("8081", "127.0.0.1"), at("")}}, {"53/udp", nullptr}}, none);
    ASSERT_TRUE(changes) << changes.error().text;
    EXPECT_EQ(changes->bindings,
              Json({{"80/tcp", {at("8080"), at("8081", "127.0.0.1"), at("")}}, {"53/udp", {at("")}}}));
    EXPECT_TRUE(changes->removed.empty());
    EXPECT_EQ(changes->added,
              (std::vector<Port>{{"udp", 53, "", 0}, {"tcp", 80, "127.0.0.1", 8081}, {"tcp", 80, "", 0}}));
}

TEST(PortChanges, removes_by_the_containers_port_the_hosts_port_or_address) {
    const Container c =
        published({{"80/tcp", {at("8080"), at("8081", "127.0.0.1"), at("")}}, {"53/udp", {at("5353")}}});
    const std::vector<Port> bound = {{"udp", 53, "0.0.0.0", 5353},  {"tcp", 80, "0.0.0.0", 8080},
                                     {"tcp", 80, "::", 8080},       {"tcp", 80, "127.0.0.1", 8081},
                                     {"tcp", 80, "0.0.0.0", 32768}, {"tcp", 80, "::", 32768}};
    EXPECT_EQ(change_ports(c, bound, none, named("80/tcp"))->bindings, one("53/udp", "5353"));
    EXPECT_EQ(change_ports(c, bound, none, named("80"))->removed.size(), 5u);
    auto by_number = change_ports(c, bound, none, one("80/tcp", "8080"));
    EXPECT_EQ(by_number->removed, (std::vector<Port>{{"tcp", 80, "0.0.0.0", 8080}, {"tcp", 80, "::", 8080}}));
    auto by_address = change_ports(c, bound, none, one("80/tcp", "", "127.0.0.1"));
    EXPECT_EQ(by_address->removed, (std::vector<Port>{{"tcp", 80, "127.0.0.1", 8081}}));
    // One that was given a number is known by it.
    auto by_found = change_ports(c, bound, none, one("80/tcp", "32768"));
    EXPECT_EQ(by_found->removed, (std::vector<Port>{{"tcp", 80, "0.0.0.0", 32768}, {"tcp", 80, "::", 32768}}));
    EXPECT_EQ(by_found->bindings["80/tcp"], Json({at("8080"), at("8081", "127.0.0.1")}));
}

TEST(PortChanges, names_what_is_there_where_something_is_not) {
    const Container c = published({{"80/tcp", {at("8080"), at("8081", "127.0.0.1")}}, {"53/udp", {at("5353", "::")}}});
    EXPECT_EQ(why(change_ports(c, {}, none, one("80/tcp", "9"))),
              R"(container "web" does not publish "9:80/tcp", but "8080:80/tcp", "127.0.0.1:8081:80/tcp")");
    EXPECT_EQ(
        why(change_ports(c, {}, none, named("7/tcp"))),
        R"(container "web" does not publish "7/tcp", but "[::]:5353:53/udp", "8080:80/tcp", "127.0.0.1:8081:80/tcp")");
    // Half of what "every address" stands for is not given up.
    EXPECT_EQ(change_ports(c, {}, none, one("80/tcp", "8080", "0.0.0.0")).error().code, Code::not_found);
    EXPECT_EQ(why(change_ports(published(none), {}, none, named("80/tcp"))),
              R"(container "web" does not publish "80/tcp", nor any other port)");
    Json many = Json::object();
    for (int port = 1; port < 10; ++port) many[std::to_string(port) + "/tcp"] = {at("")};
    EXPECT_EQ(why(change_ports(published(many), {}, none, named("80/tcp"))),
              R"(container "web" does not publish "80/tcp", but "1/tcp", "2/tcp", "3/tcp", "4/tcp", "5/tcp", more)");
}

TEST(PortChanges, refuses_a_port_of_the_host_that_the_container_has) {
    const Container c = published({{"80/tcp", {at("8080"), at("8081", "127.0.0.1")}}});
    const std::string taken = "Bind for 0.0.0.0:8080 failed: port is already allocated";
    EXPECT_EQ(why(change_ports(c, {}, one("80/tcp", "8080"), none)), taken);
    EXPECT_EQ(why(change_ports(c, {}, one("81/tcp", "8080"), none)), taken);
    EXPECT_EQ(change_ports(c, {}, one("81/tcp", "8080", "127.0.0.1"), none).error().code, Code::conflict);
    EXPECT_EQ(change_ports(c, {}, one("81/tcp", "8081", "0.0.0.0"), none).error().code, Code::conflict);
    EXPECT_TRUE(change_ports(c, {}, one("81/tcp", "8081", "127.0.0.2"), none));
    EXPECT_TRUE(change_ports(c, {}, one("81/udp", "8080"), none));
    EXPECT_EQ(change_ports(c, {}, {{"81/tcp", {at("9")}}, {"82/tcp", {at("9")}}}, none).error().code, Code::conflict);
    // One that goes in the same request is free.
    EXPECT_TRUE(change_ports(c, {}, one("81/tcp", "8080"), one("80/tcp", "8080")));
}

TEST(PortChanges, take_publish_all_for_the_ports_that_it_stands_for) {
    const Container c = published(one("80/tcp", "8080"), true);
    const std::vector<Port> bound = {{"tcp", 80, "0.0.0.0", 8080},
                                     {"tcp", 90, "0.0.0.0", 32768},
                                     {"udp", 91, "0.0.0.0", 32768},
                                     {"udp", 92, "0.0.0.0", 32769}};
    auto changes = change_ports(c, bound, one("90/tcp", "9090"), named("92/udp"));
    ASSERT_TRUE(changes) << changes.error().text;
    EXPECT_EQ(changes->bindings,
              Json({{"80/tcp", {at("8080")}}, {"90/tcp", {at(""), at("9090")}}, {"91/udp", {at("")}}}));
    EXPECT_EQ(changes->removed, (std::vector<Port>{{"udp", 92, "0.0.0.0", 32769}}));
}

TEST(PortChanges, leave_an_address_of_its_own_open_while_something_leads_there) {
    const Container c = published({{"80/tcp", {at("8080"), at("8081")}}});
    const std::vector<Port> bound = {{"tcp", 80, "::", 0}, {"tcp", 80, "0.0.0.0", 8080}, {"tcp", 80, "0.0.0.0", 8081}};
    EXPECT_EQ(change_ports(c, bound, none, one("80/tcp", "8080"))->removed,
              (std::vector<Port>{{"tcp", 80, "0.0.0.0", 8080}}));
    EXPECT_EQ(change_ports(c, bound, none, named("80/tcp"))->removed.size(), 3u);
}

TEST(PortChanges, refuse_what_cannot_be) {
    const Container c = published(none);
    for (const Json& bad : {named("0/tcp"), named("80/icmp"), named("x"), one("80/tcp", "70000"),
                            one("80/tcp", "8000-8010"), one("80/tcp", "80", "1.2.3"), one("80/tcp", "80", "::1")}) {
        EXPECT_FALSE(change_ports(c, {}, bad, none)) << bad;
        EXPECT_FALSE(change_ports(c, {}, none, bad)) << bad;
    }
}

}  // namespace
}  // namespace gantry::container
