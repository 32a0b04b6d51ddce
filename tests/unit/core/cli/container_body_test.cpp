#include <gtest/gtest.h>
#include <unistd.h>

#include "core/base/files.hpp"
#include "core/cli/container_options.hpp"

namespace gantry::cli {
namespace {

Result<Json> body_of(std::vector<std::string> words) {
    ContainerOptions options;
    Flags flags;
    options.declare(flags);
    GANTRY_TRY(auto rest, flags.parse(words, Options::until_argument));
    return options.body(flags, rest.at(0), {rest.begin() + 1, rest.end()}, true);
}
std::string why(std::vector<std::string> words) {
    auto body = body_of(std::move(words));
    return body ? "accepted" : body.error().text;
}

TEST(ContainerBody, nothing_given_sends_nothing_but_the_streams) {
    EXPECT_EQ(
        *body_of({"image"}),
        Json::parse(
            R"({"Image":"image","AttachStdin":false,"AttachStdout":true,"AttachStderr":true,"OpenStdin":false,"StdinOnce":false,"Tty":false,"HostConfig":{}})"));
}

TEST(ContainerBody, the_process_is_described) {
    Json body = *body_of({"-it", "-e", "A=1", "-w", "/w", "-u", "1:2", "--entrypoint", "", "--stop-signal", "INT",
                          "--stop-timeout", "0", "--init", "image", "-x"});
    EXPECT_EQ(body["Cmd"], Json::parse(R"(["-x"])"));
    EXPECT_EQ(body["Entrypoint"], Json::parse(R"([""])"));
    EXPECT_EQ(body["Env"], Json::parse(R"(["A=1"])"));
    EXPECT_EQ(body["StopTimeout"], 0);
    EXPECT_EQ(body["AttachStdin"], true);
    EXPECT_EQ(body["StdinOnce"], true);
    EXPECT_EQ(body["HostConfig"]["Init"], true);
}

TEST(ContainerBody, resources_are_in_the_apis_units) {
    Json host = (*body_of({"-m", "64m", "--memory-swap", "-1", "--cpus", "1.5", "--pids-limit", "-1", "--shm-size",
                           "1g", "-c", "512", "--oom-score-adj", "-500", "--device-read-bps", "/dev/sda:1mb",
                           "--ulimit", "nofile=10", "image"}))["HostConfig"];
    EXPECT_EQ(
        host,
        Json::parse(
            R"({"Memory":67108864,"MemorySwap":-1,"NanoCpus":1500000000,"PidsLimit":-1,"ShmSize":1073741824,"CpuShares":512,"OomScoreAdj":-500,
                                    "BlkioDeviceReadBps":[{"Path":"/dev/sda","Rate":1048576}],"Ulimits":[{"Name":"nofile","Soft":10,"Hard":10}]})"));
    EXPECT_EQ(why({"-m", "lots", "image"}),
              "invalid argument \"lots\" for \"-m, --memory\" flag: invalid size: 'lots'");
    EXPECT_EQ(why({"--memory-swappiness", "101", "image"}),
              "invalid value: 101. valid memory swappiness range is 0-100");
}

TEST(ContainerBody, ports_and_mounts_are_spread_over_the_body) {
    Json body =
        *body_of({"-p", "127.0.0.1:8080:80", "-p", "81", "--expose", "90", "-P", "-v", "/a:/b:ro", "-v", "/anonymous",
                  "--mount", "type=tmpfs,target=/t", "--tmpfs", "/run:size=1m", "--device", "/dev/fuse", "image"});
    EXPECT_EQ(body["ExposedPorts"], Json::parse(R"({"80/tcp":{},"81/tcp":{},"90/tcp":{}})"));
    EXPECT_EQ(
        body["HostConfig"]["PortBindings"],
        Json::parse(R"({"80/tcp":[{"HostIp":"127.0.0.1","HostPort":"8080"}],"81/tcp":[{"HostIp":"","HostPort":""}]})"));
    EXPECT_EQ(body["HostConfig"]["Binds"], Json::parse(R"(["/a:/b:ro"])"));
    EXPECT_EQ(body["Volumes"], Json::parse(R"({"/anonymous":{}})"));
    EXPECT_EQ(body["HostConfig"]["Tmpfs"], Json::parse(R"({"/run":"size=1m"})"));
    EXPECT_EQ(body["HostConfig"]["Mounts"][0]["Target"], "/t");
    EXPECT_EQ(body["HostConfig"]["Devices"][0]["PathOnHost"], "/dev/fuse");
}

TEST(ContainerBody, networks_carry_addresses_and_aliases) {
    Json body = *body_of({"--network", "one", "--network-alias", "a", "--ip", "10.0.0.9", "--network",
                          "name=two,alias=b,gw-priority=5", "image"});
    EXPECT_EQ(body["HostConfig"]["NetworkMode"], "one");
    EXPECT_EQ(
        body["NetworkingConfig"]["EndpointsConfig"],
        Json::parse(
            R"({"one":{"Aliases":["a"],"IPAMConfig":{"IPv4Address":"10.0.0.9"}},"two":{"Aliases":["b"],"GwPriority":5}})"));
    EXPECT_FALSE((*body_of({"--network", "host", "image"})).contains("NetworkingConfig"));
    EXPECT_EQ(why({"--network", "one", "--network", "one", "image"}), "network \"one\" is specified multiple times");
    EXPECT_EQ(why({"--dns", "nameserver", "image"}),
              "invalid argument \"nameserver\" for \"--dns\" flag: nameserver is not an ip address");
}

TEST(ContainerBody, a_seccomp_profile_is_read_here) {
    std::string file = "/tmp/gantry-cli-seccomp-" + std::to_string(::getpid());
    ASSERT_TRUE(write_file(file, "{\n \"defaultAction\": \"SCMP_ACT_ALLOW\"\n}"));
    Json body = *body_of({"--security-opt", "seccomp=" + file, "--security-opt", "no-new-privileges", "--security-opt",
                          "seccomp:unconfined", "image"});
    EXPECT_EQ(
        body["HostConfig"]["SecurityOpt"],
        Json::parse(R"(["seccomp={\"defaultAction\":\"SCMP_ACT_ALLOW\"}","no-new-privileges","seccomp=unconfined"])"));
    ASSERT_TRUE(write_file(file, "nonsense"));
    EXPECT_EQ(why({"--security-opt", "seccomp=" + file, "image"}),
              "compacting json for seccomp profile (" + file + ") failed: it is not JSON");
    ::unlink(file.c_str());
    EXPECT_EQ(why({"--security-opt", "nonsense", "image"}), "invalid --security-opt: \"nonsense\"");
    EXPECT_EQ((*body_of({"--security-opt", "systempaths=unconfined", "image"}))["HostConfig"]["MaskedPaths"],
              Json::array());
}

TEST(ContainerBody, health_and_logging_options_are_checked_together) {
    Json body = *body_of({"--health-cmd", "true", "--health-interval", "1m30s", "--health-retries", "2", "--log-driver",
                          "json-file", "--log-opt", "max-size=1m", "image"});
    EXPECT_EQ(body["Healthcheck"], Json::parse(R"({"Test":["CMD-SHELL","true"],"Interval":90000000000,"Retries":2})"));
    EXPECT_EQ(body["HostConfig"]["LogConfig"], Json::parse(R"({"Type":"json-file","Config":{"max-size":"1m"}})"));
    EXPECT_EQ((*body_of({"--no-healthcheck", "image"}))["Healthcheck"]["Test"], Json::parse(R"(["NONE"])"));
    EXPECT_EQ(why({"--no-healthcheck", "--health-cmd", "x", "image"}),
              "--no-healthcheck conflicts with --health-* options");
    EXPECT_EQ(why({"--health-interval", "-1s", "image"}), "--health-interval cannot be negative");
    EXPECT_EQ(why({"--log-driver", "none", "--log-opt", "a=b", "image"}), "invalid logging opts for driver none");
    EXPECT_EQ(why({"--rm", "--restart", "always", "image"}),
              "conflicting options: cannot specify both --restart and --rm");
    EXPECT_EQ(why({"--pull", "sometimes", "image"}),
              "invalid pull option: 'sometimes': must be one of \"always\", \"missing\" or \"never\"");
}

}  // namespace
}  // namespace gantry::cli
