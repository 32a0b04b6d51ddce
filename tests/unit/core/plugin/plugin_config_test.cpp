#include "core/plugin/plugin_config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/core/plugin/sample.hpp"

namespace gantry::plugin {
namespace {

using test::sample_config;
using ::testing::HasSubstr;

std::string refusal(const Json& config) {
    auto read = read_config(config.dump());
    return read ? "" : read.error().text;
}

std::string refusal_with(const char* pointer, const Json& value) {
    Json config = sample_config();
    config[Json::json_pointer(pointer)] = value;
    return refusal(config);
}

TEST(PluginConfig, is_read_by_names_in_any_case_and_given_in_those_of_the_api) {
    auto config = read_config(sample_config().dump());
    ASSERT_TRUE(config) << config.error().text;
    EXPECT_EQ((*config)["Interface"],
              Json::parse(R"({"Types":["docker.volumedriver/1.0"],"Socket":"sample.sock","ProtocolScheme":""})"));
    EXPECT_EQ((*config)["User"], Json::parse(R"({"UID":7,"GID":8})"));
    EXPECT_EQ((*config)["Env"][1]["Settable"], Json::array());
    EXPECT_TRUE((*config)["Env"][2]["Value"].is_null());
    EXPECT_FALSE(config->contains("rootfs"));
    auto again = read_config(config->dump());
    ASSERT_TRUE(again);
    EXPECT_EQ(*again, *config);
}

TEST(PluginConfig, needs_a_program_and_a_socket_and_no_more) {
    auto config = read_config(R"({"Entrypoint": ["/p"], "Interface": {"Socket": "p.sock"}, "unknown": {"a": 1}})");
    ASSERT_TRUE(config) << config.error().text;
    for (const char* member : {"Mounts", "Env"}) EXPECT_EQ((*config)[member], Json::array());
    EXPECT_EQ((*config)["Linux"], Json::parse(R"({"Capabilities":[],"AllowAllDevices":false,"Devices":[]})"));
    EXPECT_EQ(refusal(Json{{"Entrypoint", {"/p"}}}),
              "config.json: Interface.Socket: found \"\", allowed: a file's name such as \"plugin.sock\"");
    EXPECT_EQ(refusal(Json{{"Interface", {{"Socket", "p"}}}}),
              "config.json: Entrypoint: found nothing, allowed: the program and its arguments");
}

TEST(PluginConfig, says_which_member_is_wrong) {
    EXPECT_THAT(refusal_with("/interface/socket", "../x"), HasSubstr("Interface.Socket: found \"../x\""));
    EXPECT_THAT(refusal_with("/interface/socket", ".."), HasSubstr("Interface.Socket"));
    EXPECT_THAT(refusal_with("/interface/types", {"volumedriver"}),
                HasSubstr("Interface.Types: found \"volumedriver\""));
    EXPECT_THAT(refusal_with("/interface/types", "x"), HasSubstr("Interface.Types: expected a list, found a text"));
    EXPECT_THAT(refusal_with("/interface/protocolScheme", "grpc"),
                HasSubstr("allowed: \"\", \"moby.plugins.http/v1\""));
    EXPECT_THAT(refusal_with("/workdir", "data"), HasSubstr("WorkDir: found \"data\""));
    EXPECT_THAT(refusal_with("/propagatedMount", "/a/../../b"), HasSubstr("PropagatedMount"));
    EXPECT_THAT(refusal_with("/propagatedMount", "/"), HasSubstr("PropagatedMount"));
    EXPECT_THAT(refusal_with("/mounts/0/type", "overlay"), HasSubstr("Mounts[0].Type: found \"overlay\""));
    EXPECT_THAT(refusal_with("/mounts/0/options", {"loop"}), HasSubstr("Mounts[0].Options: found \"loop\""));
    EXPECT_THAT(refusal_with("/mounts/0/destination", "x"), HasSubstr("Mounts[0].Destination"));
    EXPECT_THAT(refusal_with("/mounts/0/source", "../../etc"), HasSubstr("Mounts[0].Source"));
    EXPECT_THAT(refusal_with("/mounts/0", 5), HasSubstr("Mounts[0]: expected an object"));
    EXPECT_THAT(refusal_with("/linux/devices/0/path", "fuse"), HasSubstr("Linux.Devices[0].Path"));
    EXPECT_THAT(refusal_with("/linux/capabilities", {"CAP_NOTHING"}), HasSubstr("CAP_NOTHING"));
    EXPECT_THAT(refusal_with("/env/0/name", "A=B"), HasSubstr("Env[0].Name"));
    EXPECT_THAT(refusal_with("/env/0/value", 5), HasSubstr("Env[0].Value: expected a text, found a number"));
    EXPECT_THAT(refusal_with("/env/0/value", std::string("a\0b", 3)), HasSubstr("null byte"));
    EXPECT_THAT(refusal_with("/user/uid", -1), HasSubstr("User.UID: found -1"));
    EXPECT_THAT(refusal_with("/user/uid", 4294967295u), HasSubstr("User.UID"));
    EXPECT_THAT(refusal_with("/pidHost", "yes"), HasSubstr("PidHost: expected a flag"));
    EXPECT_THAT(refusal_with("/rootfs", {{"type", "layers"}, {"diff_ids", {"x"}}}), HasSubstr("rootfs.diff_ids"));
    EXPECT_THAT(refusal_with("/network/type", "overlay"), HasSubstr("Network.Type: found \"overlay\""));
    Json bridge = sample_config();
    bridge["network"]["type"] = "bridge";
    EXPECT_EQ(read_config(bridge.dump()).error().code, Code::unsupported);
}

TEST(PluginConfig, is_bounded_and_has_one_meaning) {
    EXPECT_EQ(read_config("[]").error().text, "config.json: expected an object, found a list");
    EXPECT_THAT(read_config("{").error().text, HasSubstr("not valid JSON"));
    EXPECT_THAT(read_config(R"({"Env": [], "env": []})").error().text, HasSubstr("twice"));
    EXPECT_THAT(read_config(std::string((1 << 20) + 1, ' ')).error().text, HasSubstr("more than 1 MiB"));
    Json many = sample_config();
    many["entrypoint"] = std::vector<std::string>(1001, "a");
    EXPECT_THAT(refusal(many), HasSubstr("Entrypoint: found 1001 of them"));
    EXPECT_THAT(refusal_with("/workdir", "/" + std::string(70'000, 'a')), HasSubstr("WorkDir"));
}

TEST(PluginConfig, privileges_are_dockers) {
    auto config = read_config(sample_config().dump());
    ASSERT_TRUE(config);
    EXPECT_EQ(privileges_of(*config), Json::parse(R"([
        {"Name":"network","Description":"permissions to access a network","Value":["host"]},
        {"Name":"host pid namespace","Description":"allow access to host pid namespace","Value":["true"]},
        {"Name":"mount","Description":"host path to mount","Value":["/var/state"]},
        {"Name":"device","Description":"host device to access","Value":["/dev/fuse"]},
        {"Name":"capabilities","Description":"list of additional capabilities required","Value":["CAP_SYS_ADMIN"]}])"));
    auto plain = read_config(R"({"Entrypoint": ["/p"], "Interface": {"Socket": "p.sock"}})");
    ASSERT_TRUE(plain);
    EXPECT_EQ(privileges_of(*plain), Json::array());
    Json all = sample_config();
    all["ipcHost"] = all["linux"]["allowAllDevices"] = true;
    auto rich = read_config(all.dump());
    ASSERT_TRUE(rich);
    EXPECT_EQ(privileges_of(*rich).size(), 7u);
}

TEST(PluginConfig, what_is_granted_is_what_is_needed_in_any_order) {
    auto config = read_config(sample_config().dump());
    ASSERT_TRUE(config);
    Json granted = privileges_of(*config);
    std::reverse(granted.begin(), granted.end());
    granted[0].erase("Description");
    EXPECT_TRUE(check_granted(*config, granted));
    Json less = granted;
    less.erase(less.size() - 1);
    auto refused = check_granted(*config, less);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::denied);
    EXPECT_EQ(refused.error().text, "incorrect privileges: the plugin needs network [\"host\"], which is not granted");
    Json more = granted;
    more.push_back({{"Name", "mount"}, {"Value", {"/etc"}}});
    EXPECT_EQ(check_granted(*config, more).error().text,
              "incorrect privileges: mount [\"/etc\"] is granted, which the plugin does not ask for");
    Json twice = granted;
    twice.push_back(granted[1]);
    EXPECT_FALSE(check_granted(*config, twice));
    EXPECT_EQ(check_granted(*config, Json::object()).error().code, Code::invalid);
    EXPECT_EQ(check_granted(*config, Json::array({5})).error().code, Code::invalid);
    EXPECT_EQ(check_granted(*config, Json::array({{{"Name", 5}}})).error().code, Code::invalid);
}

TEST(PluginConfig, a_type_has_a_capability) {
    EXPECT_EQ(capability_of("docker.volumedriver/1.0"), "volumedriver");
    EXPECT_EQ(capability_of("Docker.NetworkDriver/2"), "networkdriver");
}

}  // namespace
}  // namespace gantry::plugin
