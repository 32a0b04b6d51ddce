#include <gtest/gtest.h>

#include "core/cli/ports.hpp"

namespace gantry::cli {
namespace {

std::string shown_port(std::string_view specification) {
    auto mappings = parse_publish(specification);
    if (!mappings) return "error: " + mappings.error().text;
    std::string text;
    for (const PortMapping& m : *mappings)
        text += (text.empty() ? "" : " ") + m.host_address + "|" + m.host_port + "|" + m.container;
    return text;
}

TEST(Ports, every_form_of_publish_is_understood) {
    EXPECT_EQ(shown_port("80"), "||80/tcp");
    EXPECT_EQ(shown_port("8080:80"), "|8080|80/tcp");
    EXPECT_EQ(shown_port("8080:80/UDP"), "|8080|80/udp");
    EXPECT_EQ(shown_port("127.0.0.1:8080:80"), "127.0.0.1|8080|80/tcp");
    EXPECT_EQ(shown_port("127.0.0.1::80"), "127.0.0.1||80/tcp");
    EXPECT_EQ(shown_port("[::1]:8080:80/sctp"), "::1|8080|80/sctp");
    EXPECT_EQ(shown_port("0:80"), "|0|80/tcp");
}

TEST(Ports, ranges_are_expanded_pair_by_pair) {
    EXPECT_EQ(shown_port("8000-8002:80-82"), "|8000|80/tcp |8001|81/tcp |8002|82/tcp");
    EXPECT_EQ(shown_port("80-81"), "||80/tcp ||81/tcp");
    // One port inside and a range outside: the daemon takes a free one of the range.
    EXPECT_EQ(shown_port("8000-8010:80"), "|8000-8010|80/tcp");
}

TEST(Ports, wrong_specifications_are_refused_in_dockers_words) {
    EXPECT_EQ(shown_port("80-82:8080-8081"),
              "error: invalid ranges specified for container and host Ports: 8080-8081 and 80-82");
    EXPECT_EQ(shown_port("80:65536"), "error: invalid containerPort: 65536");
    EXPECT_EQ(shown_port("x:80"), "error: invalid hostPort: x");
    EXPECT_EQ(shown_port("1.2.3:80:80"), "error: invalid IP address: 1.2.3");
    EXPECT_EQ(shown_port("80/icmp"), "error: invalid proto: icmp");
    EXPECT_EQ(shown_port("8080:"), "error: no port specified: 8080:<empty>");
    EXPECT_EQ(shown_port("82-80"), "error: invalid containerPort: 82-80");
}

TEST(Ports, expose_takes_ranges_and_no_host_part) {
    EXPECT_EQ(*parse_expose("80-81/udp"), (std::vector<std::string>{"80/udp", "81/udp"}));
    EXPECT_EQ(parse_expose("80:80").error().text, "invalid port format for --expose: 80:80");
    EXPECT_FALSE(parse_expose("0"));
}

TEST(Ports, a_list_groups_neighbours_as_docker_does) {
    Json ports = Json::parse(R"([
        {"IP":"0.0.0.0","PrivatePort":80,"PublicPort":8080,"Type":"tcp"},{"IP":"::","PrivatePort":80,"PublicPort":8080,"Type":"tcp"},
        {"PrivatePort":443,"Type":"tcp"},{"PrivatePort":444,"Type":"tcp"},{"IP":"0.0.0.0","PrivatePort":90,"PublicPort":90,"Type":"udp"},
        {"IP":"0.0.0.0","PrivatePort":91,"PublicPort":91,"Type":"udp"}])");
    EXPECT_EQ(show_ports(ports), "0.0.0.0:90-91->90-91/udp, 443-444/tcp, 0.0.0.0:8080->80/tcp, [::]:8080->80/tcp");
    EXPECT_EQ(show_ports(Json()), "");
}

}  // namespace
}  // namespace gantry::cli
