// What a body may be, and what is said of one that is not.
#include "core/daemon/api/body.hpp"

#include <gtest/gtest.h>

using namespace gantry;
using namespace gantry::daemon;

namespace {

// What is said of a body, "" for nothing.
std::string said(const Json& shape, const char* text, Json* settled = nullptr) {
    Json body = Json::parse(text);
    auto done = settle_types(body, shape);
    if (settled) *settled = body;
    return done ? "" : done.error().text;
}

}  // namespace

TEST(Body, names_the_member_and_what_was_found) {
    EXPECT_EQ(said(exec_shape(), R"({"Tty": 5})"), "Tty: expected true or false, found a number");
    EXPECT_EQ(said(create_shape(), R"({"Labels": {"a\nb": 1}})"), R"(Labels.a\nb: expected a string, found a number)");
    EXPECT_EQ(said(exec_shape(), R"({"Cmd": "true"})"), "Cmd: expected a list, found a string");
    EXPECT_EQ(said(exec_shape(), R"({"Env": ["A=1", null]})"), "Env[1]: expected a string, found null");
    EXPECT_EQ(said(exec_shape(), R"({"ConsoleSize": [24.5, 80]})"),
              "ConsoleSize[0]: expected a whole number, found a fraction");
    EXPECT_EQ(said(update_shape(), R"({"Memory": 18446744073709551615})"),
              "Memory: expected a whole number, found a number");
    EXPECT_EQ(said(connect_shape(), R"({"EndpointConfig": {"IPAMConfig": {"IPv4Address": {}}}})"),
              "EndpointConfig.IPAMConfig.IPv4Address: expected a string, found an object");
    EXPECT_EQ(said(network_shape(), R"({"IPAM": {"Config": [{}, {"Gateway": true}]}})"),
              "IPAM.Config[1].Gateway: expected a string, found a boolean");
    EXPECT_EQ(said(create_shape(), R"({"HostConfig": {"Mounts": [{"VolumeOptions": {"Labels": {"a": null}}}]}})"),
              "HostConfig.Mounts[0].VolumeOptions.Labels.a: expected a string, found null");
    EXPECT_EQ(said(create_shape(), R"({"NetworkingConfig": {"EndpointsConfig": {"n": {"Aliases": {}}}}})"),
              "NetworkingConfig.EndpointsConfig.n.Aliases: expected a list, found an object");
}

TEST(Body, null_is_as_absent) {
    Json settled;
    EXPECT_EQ(said(connect_shape(), R"({"Container": "c", "EndpointConfig": {"Aliases": null, "IPAMConfig": null}})",
                   &settled),
              "");
    EXPECT_EQ(settled, Json::parse(R"({"Container": "c", "EndpointConfig": {}})"));
    // Names without more: the key is what is said.
    EXPECT_EQ(said(create_shape(),
                   R"({"ExposedPorts": {"80/tcp": null}, "HostConfig": {"PortBindings": {"80/tcp": null}}})", &settled),
              "");
    EXPECT_TRUE(settled["ExposedPorts"].contains("80/tcp"));
}

TEST(Body, a_command_may_be_one_string) {
    EXPECT_EQ(said(create_shape(), R"({"Cmd": "true", "Entrypoint": ["sh", "-c"]})"), "");
    EXPECT_EQ(said(create_shape(), R"({"Cmd": ["true", 5]})"), "Cmd[1]: expected a string, found a number");
    EXPECT_EQ(said(create_shape(), R"({"Entrypoint": false})"), "Entrypoint: expected a list, found a boolean");
}

TEST(Body, what_is_not_known_is_not_looked_at) {
    EXPECT_EQ(said(exec_start_shape(), R"({"Detach": true, "Later": [{"a": 1.5}]})"), "");
    EXPECT_EQ(said(disconnect_shape(), R"({"Force": "yes"})"), "Force: expected true or false, found a string");
}
