// The other commands, whole, against a fake daemon.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/base/clock.hpp"
#include "core/base/files.hpp"
#include "fake_daemon.hpp"

namespace gantry::cli::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string ago(std::int64_t seconds) { return std::to_string(wall_clock_ns() / 1000000000 - seconds); }

TEST(Program, ps_is_dockers_table) {
    FakeDaemon daemon;
    daemon.on_json(
        "GET /containers/json", 200,
        R"([{"Id":"0123456789abcdef0123","Names":["/web","/other/link"],"Image":"nginx","Command":"nginx -g daemon off; and more","Created":)" +
            ago(150) +
            R"(,"Ports":[{"IP":"0.0.0.0","PrivatePort":80,"PublicPort":8080,"Type":"tcp"}],"Labels":{"a":"b"},"State":"running","Status":"Up 2 minutes"}])");
    EXPECT_EQ(run_program(daemon, {"ps"}).out,
              "CONTAINER ID   IMAGE     COMMAND                  CREATED         STATUS         PORTS                  "
              "NAMES\n"
              "0123456789ab   nginx     \"nginx -g daemon off…\"   2 minutes ago   Up 2 minutes   0.0.0.0:8080->80/tcp "
              "  web\n");
    EXPECT_EQ(run_program(daemon, {"ps", "-aq"}).out, "0123456789ab\n");
    EXPECT_EQ(daemon.seen().back(), "GET /containers/json?all=1");
    EXPECT_EQ(run_program(daemon, {"container", "ls", "--format", "{{.Names}}: {{.Label \"a\"}} {{.State}}"}).out,
              "web: b running\n");
    EXPECT_EQ(run_program(daemon, {"ps", "--format", "table {{.Names}}\\t{{.Image}}"}).out,
              "NAMES     IMAGE\nweb       nginx\n");
    EXPECT_EQ(run_program(daemon, {"ps", "-f", "status=exited", "--no-trunc", "-q"}).out, "0123456789abcdef0123\n");
    EXPECT_EQ(daemon.seen().back(), "GET /containers/json?filters=%7B%22status%22:%5B%22exited%22%5D%7D");
    Ended wrong = run_program(daemon, {"ps", "--format", "{{.Nme}}"});
    EXPECT_EQ(wrong.code, 1);
    EXPECT_THAT(wrong.err, HasSubstr("no entry for key \"Nme\""));
}

TEST(Program, images_shows_a_row_for_each_name) {
    FakeDaemon daemon;
    daemon.on_json(
        "GET /images/json", 200,
        R"([{"Id":"sha256:0123456789abcdef","RepoTags":["a:1","reg:5000/b:2"],"RepoDigests":["a@sha256:dd"],"Created":)" +
            ago(7200 * 24) +
            R"(,"Size":12345678,"Containers":-1,"SharedSize":-1},{"Id":"sha256:ff23456789abcdef","RepoTags":[],"Created":0,"Size":5}])");
    EXPECT_EQ(run_program(daemon, {"images"}).out,
              "REPOSITORY   TAG       IMAGE ID       CREATED      SIZE\n"
              "a            1         0123456789ab   2 days ago   12.3MB\n"
              "reg:5000/b   2         0123456789ab   2 days ago   12.3MB\n"
              "<none>       <none>    ff23456789ab   N/A          5B\n");
    EXPECT_THAT(run_program(daemon, {"images", "--digests", "a"}).out, HasSubstr("sha256:dd"));
    EXPECT_THAT(daemon.seen().back(), HasSubstr("reference"));
}

TEST(Program, inspect_keeps_the_daemons_order_and_finds_every_kind) {
    FakeDaemon daemon;
    daemon.on_json("GET /images/thing/json", 200, R"({"Id":"sha256:1","b":[],"a":{"x":1.50,"y":"{,:"}})");
    Ended ended = run_program(daemon, {"inspect", "thing"});
    EXPECT_EQ(ended.out,
              "[\n    {\n        \"Id\": \"sha256:1\",\n        \"b\": [],\n        \"a\": {\n            \"x\": "
              "1.50,\n            \"y\": \"{,:\"\n        }\n    }\n]\n");
    EXPECT_EQ(run_program(daemon, {"inspect", "-f", "{{.a.y}} {{json .b}}", "thing"}).out, "{,: []\n");
    ended = run_program(daemon, {"inspect", "nothing"});
    EXPECT_EQ(ended.code, 1);
    EXPECT_EQ(ended.out, "[]\n");
    EXPECT_EQ(ended.err, "Error: No such object: nothing\n");
    EXPECT_EQ(run_program(daemon, {"inspect", "--type", "cluster", "x"}).code, 1);
}

TEST(Program, logs_are_split_by_stream_and_options_reach_the_daemon) {
    FakeDaemon daemon;
    daemon.on("GET /containers/web/logs", [](const FakeRequest&, int fd) {
        send_chunked_head(fd, "application/vnd.docker.multiplexed-stream");
        std::string data = frame(1, "one\n") + frame(2, "two\n");
        send_chunk(fd, data.substr(0, 5));
        send_chunk(fd, data.substr(5));
        send_chunk(fd, "");
    });
    Ended ended = run_program(daemon, {"logs", "--tail", "5", "-t", "web"});
    EXPECT_EQ(ended.out, "one\n");
    EXPECT_EQ(ended.err, "two\n");
    EXPECT_EQ(daemon.seen().back(), "GET /containers/web/logs?stdout=1&stderr=1&tail=5&timestamps=1");
    daemon.on("GET /containers/web/logs", [](const FakeRequest&, int fd) {
        send_chunked_head(fd, "application/vnd.docker.raw-stream");
        send_chunk(fd, "raw\r\n");
        send_chunk(fd, "");
    });
    EXPECT_EQ(run_program(daemon, {"logs", "web"}).out, "raw\r\n");
    EXPECT_EQ(run_program(daemon, {"logs", "none"}).err, "Error response from daemon: no such thing\n");
}

TEST(Program, every_container_named_is_tried_and_errors_come_last) {
    FakeDaemon daemon;
    daemon.on_json("POST /containers/a/stop", 204, "");
    daemon.on_json("POST /containers/b/stop", 304, "");
    Ended ended = run_program(daemon, {"stop", "-t", "3", "-s", "INT", "a", "x", "b"});
    EXPECT_EQ(ended.code, 1);
    EXPECT_EQ(ended.out, "a\nb\n");
    EXPECT_EQ(ended.err, "Error response from daemon: no such thing\n");
    EXPECT_EQ(daemon.seen().front(), "POST /containers/a/stop?t=3&signal=INT");
    daemon.on_json("DELETE /containers/a", 204, "");
    EXPECT_EQ(run_program(daemon, {"rm", "-fv", "a", "gone"}).code, 0);
    EXPECT_EQ(daemon.request("DELETE /containers/a").target, "/containers/a?force=1&v=1");
    EXPECT_EQ(run_program(daemon, {"rm", "gone"}).code, 1);
}

TEST(Program, what_the_daemon_cannot_do_is_said_in_its_words) {
    FakeDaemon daemon;
    daemon.on_json("GET /containers/web/changes", 501, R"({"message":"diff is not supported by this layer driver"})");
    Ended ended = run_program(daemon, {"diff", "web"});
    EXPECT_EQ(ended.code, 1);
    EXPECT_EQ(ended.err, "Error response from daemon: diff is not supported by this layer driver\n");
}

TEST(Program, load_sends_files_with_their_length_and_shows_lines) {
    FakeDaemon daemon;
    std::string content(2 << 20, 'a'), file = daemon.directory() + "/image.tar";
    ASSERT_TRUE(write_file(file, content));
    daemon.on_json("POST /images/load", 200,
                   "{\"status\":\"Loading "
                   "layer\",\"id\":\"l\",\"progressDetail\":{\"current\":5,\"total\":10}}\r\n{\"stream\":\"Loaded "
                   "image: a:1\\n\"}\r\n");
    Ended ended = run_program(daemon, {"load", "-i", file});
    EXPECT_EQ(ended.code, 0) << ended.err;
    EXPECT_EQ(ended.out, "Loaded image: a:1\n");
    EXPECT_TRUE(daemon.request("POST /images/load").body == content);
    EXPECT_THAT(daemon.request("POST /images/load").head, HasSubstr("Content-Length: 2097152"));
    daemon.on_json("POST /images/load", 200,
                   R"({"errorDetail":{"message":"invalid tar header"},"error":"invalid tar header"})");
    ended = run_program(daemon, {"image", "load"}, "x");
    EXPECT_EQ(ended.code, 1);
    EXPECT_EQ(ended.err, "gantry: invalid tar header\n");
    ended = run_program(daemon, {"load", "-i", "/nonexistent"});
    EXPECT_EQ(ended.code, 1);
    EXPECT_THAT(ended.err, StartsWith("gantry: "));
    EXPECT_THAT(ended.err, HasSubstr("/nonexistent"));
}

TEST(Program, load_takes_a_pipes_bytes_in_chunks_and_import_names_the_image) {
    FakeDaemon daemon;
    daemon.on_json("POST /images/create", 200, R"({"status":"sha256:123"})");
    // A device has no length, so the body goes in chunks.
    Ended ended = run_program(daemon, {"import", "-m", "made", "-c", "CMD true", "/dev/null", "a:1"});
    EXPECT_EQ(ended.code, 0) << ended.err;
    EXPECT_EQ(ended.out, "sha256:123\n");
    EXPECT_EQ(daemon.seen().back(), "POST /images/create?fromSrc=-&repo=a:1&message=made&changes=CMD%20true");
    EXPECT_THAT(daemon.request("POST /images/create").head, HasSubstr("Transfer-Encoding: chunked"));
}

TEST(Program, a_refused_upload_shows_the_refusal) {
    FakeDaemon daemon;
    std::string file = daemon.directory() + "/image.tar";
    ASSERT_TRUE(write_file(file, std::string(4 << 20, 'a')));
    daemon.on_json("POST /images/load", 400, R"({"message":"not an image"})");
    Ended ended = run_program(daemon, {"load", "-i", file});
    EXPECT_EQ(ended.code, 1);
    EXPECT_EQ(ended.err, "Error response from daemon: not an image\n");
}

TEST(Program, network_and_volume_options_become_the_apis_body) {
    FakeDaemon daemon;
    daemon.on_json("POST /networks/create", 201, R"({"Id":"n1","Warning":""})");
    Ended ended = run_program(
        daemon, {"network", "create", "-d", "x", "-o", "mtu=1400", "--subnet", "10.1.0.0/16", "--subnet", "fd00::/64",
                 "--gateway", "fd00::1", "--ip-range", "10.1.5.0/24", "--label", "a", "--internal", "net"});
    EXPECT_EQ(ended.out, "n1\n") << ended.err;
    EXPECT_EQ(daemon.request("POST /networks/create").json(),
              Json::parse(R"({"Name":"net","Driver":"x","Options":{"mtu":"1400"},"Labels":{"a":""},"Internal":true,
                              "IPAM":{"Config":[{"Subnet":"10.1.0.0/16","IPRange":"10.1.5.0/24"},{"Subnet":"fd00::/64","Gateway":"fd00::1"}]}})"));
    EXPECT_EQ(run_program(daemon, {"network", "create", "--subnet", "10.1.0.0/16", "--gateway", "10.2.0.1", "n"}).err,
              "gantry: no matching subnet for gateway 10.2.0.1\n");
    daemon.on_json("POST /volumes/create", 201, R"({"Name":"v"})");
    EXPECT_EQ(run_program(daemon, {"volume", "create", "-d", "nfs", "-o", "server=a", "v"}).out, "v\n");
    EXPECT_EQ(daemon.request("POST /volumes/create").json(),
              Json::parse(R"({"Name":"v","Driver":"nfs","DriverOpts":{"server":"a"}})"));
}

TEST(Program, lists_of_networks_and_volumes_have_dockers_heads) {
    FakeDaemon daemon;
    daemon.on_json(
        "GET /networks", 200,
        R"([{"Id":"bbbbbbbbbbbbbbbb","Name":"two","Driver":"x","Scope":"local"},{"Id":"aaaaaaaaaaaaaaaa","Name":"one","Driver":"y","Scope":"local"}])");
    EXPECT_EQ(run_program(daemon, {"network", "ls"}).out,
              "NETWORK ID     NAME      DRIVER    SCOPE\naaaaaaaaaaaa   one       y         local\nbbbbbbbbbbbb   two  "
              "     x         local\n");
    daemon.on_json("GET /volumes", 200, R"({"Volumes":[{"Name":"data","Driver":"local"}],"Warnings":null})");
    EXPECT_EQ(run_program(daemon, {"volume", "ls"}).out, "DRIVER    VOLUME NAME\nlocal     data\n");
}

TEST(Program, plugins_are_listed_and_set) {
    FakeDaemon daemon;
    daemon.on_json(
        "GET /plugins", 200,
        R"([{"Id":"aaaaaaaaaaaaaaaa","Name":"me/mine:latest","Enabled":true,"PluginReference":"r/me/mine:latest",
                        "Config":{"Description":"a description that is longer than what is shown of it"}}])");
    EXPECT_EQ(run_program(daemon, {"plugin", "ls", "--format", "{{.ID}} {{.Name}} {{.Enabled}} {{.Description}}"}).out,
              "aaaaaaaaaaaa me/mine:latest true a description that is longer than what is sh…\n");
    EXPECT_EQ(run_program(daemon, {"plugin", "ls", "-q", "--no-trunc"}).out, "aaaaaaaaaaaaaaaa\n");
    daemon.on_json("POST /plugins/me/mine/set", 204, "");
    Ended ended = run_program(daemon, {"plugin", "set", "me/mine", "A=1", "B=2"});
    EXPECT_EQ(ended.code, 0) << ended.err;
    EXPECT_EQ(daemon.request("POST /plugins/me/mine/set").json(), Json::parse(R"(["A=1","B=2"])"));
}

TEST(Program, a_plugin_is_installed_with_what_was_granted) {
    FakeDaemon daemon;
    daemon.on_json("GET /plugins/privileges", 200, R"([{"Name":"network","Description":"","Value":["host"]}])");
    Ended refused = run_program(daemon, {"plugin", "install", "me/mine"});
    EXPECT_EQ(refused.code, 1);
    EXPECT_THAT(refused.out, HasSubstr(" - network: [host]\nDo you grant the above permissions? [y/N] "));
    EXPECT_THAT(refused.err, HasSubstr("permission denied while installing plugin me/mine:latest"));
    daemon.on_json("POST /plugins/pull", 200, "");
    daemon.on_json("POST /plugins/mine:latest/enable", 200, "");
    Ended ended = run_program(daemon, {"plugin", "install", "--grant-all-permissions", "--alias", "mine", "me/mine"});
    EXPECT_EQ(ended.code, 0) << ended.err;
    EXPECT_EQ(daemon.seen().back(), "POST /plugins/mine:latest/enable?timeout=0");
    EXPECT_EQ(daemon.request("POST /plugins/pull").json()[0]["Name"], "network");
    EXPECT_EQ(ended.out, "Installed plugin me/mine\n");
}

TEST(Program, driver_check_ends_with_0_or_1) {
    FakeDaemon daemon;
    daemon.on_json(
        "POST /gantry/drivers/check", 200,
        R"({"file":"/etc/passwd","ok":false,"checks":[{"name":"owner","ok":true,"message":""},{"name":"symbol","ok":false,"message":"no gantry_driver_entry"}]})");
    Ended ended = run_program(daemon, {"driver", "check", "/etc/passwd"});
    EXPECT_EQ(ended.code, 1);
    EXPECT_EQ(ended.out, "ok    owner\nFAIL  symbol: no gantry_driver_entry\n/etc/passwd: would be refused\n");
    daemon.on_json("POST /gantry/drivers/check", 200, R"({"file":"/etc/passwd","ok":true,"checks":[]})");
    EXPECT_EQ(run_program(daemon, {"driver", "check", "/etc/passwd"}).code, 0);
    EXPECT_EQ(run_program(daemon, {"driver", "check", "/nonexistent.so"}).code, 1);
}

TEST(Program, port_top_wait_and_stats_read_their_answers) {
    FakeDaemon daemon;
    daemon.on_json(
        "GET /containers/web/json", 200,
        R"({"NetworkSettings":{"Ports":{"80/tcp":[{"HostIp":"0.0.0.0","HostPort":"8080"},{"HostIp":"::","HostPort":"8080"}],"81/tcp":null}}})");
    EXPECT_EQ(run_program(daemon, {"port", "web"}).out, "80/tcp -> 0.0.0.0:8080\n80/tcp -> [::]:8080\n");
    EXPECT_EQ(run_program(daemon, {"port", "web", "80"}).out, "0.0.0.0:8080\n[::]:8080\n");
    EXPECT_EQ(run_program(daemon, {"port", "web", "81"}).err, "gantry: no public port '81/tcp' published for web\n");
    daemon.on_json("GET /containers/web/top", 200, R"({"Titles":["UID","PID"],"Processes":[["root","1"]]})");
    EXPECT_EQ(run_program(daemon, {"top", "web", "-o", "pid"}).out, "UID                 PID\nroot                1\n");
    EXPECT_EQ(daemon.seen().back(), "GET /containers/web/top?ps_args=-o%20pid");
    daemon.on_json("POST /containers/web/wait", 200, R"({"StatusCode":137})");
    EXPECT_EQ(run_program(daemon, {"wait", "web"}).out, "137\n");
    std::atomic<int> round{0};
    daemon.on("GET /containers/web/stats", [&](const FakeRequest&, int fd) {
        int n = ++round;
        send_json(
            fd, 200,
            R"({"id":"0123456789abcdef","name":"/web","cpu_stats":{"cpu_usage":{"total_usage":)" +
                std::to_string(n * 50) + R"(},"system_cpu_usage":)" + std::to_string(n * 1000) +
                R"(,"online_cpus":2},"memory_stats":{"usage":3145728,"limit":4194304,"stats":{"inactive_file":1048576}},"pids_stats":{"current":4}})");
    });
    EXPECT_EQ(run_program(daemon, {"stats", "--no-stream", "web"}).out,
              "CONTAINER ID   NAME      CPU %     MEM USAGE / LIMIT   MEM %     NET I/O   BLOCK I/O   PIDS\n"
              "0123456789ab   web       10.00%    2MiB / 4MiB         50.00%    0B / 0B   0B / 0B     4\n");
}

TEST(Program, events_are_lines) {
    FakeDaemon daemon;
    daemon.on("GET /events", [](const FakeRequest&, int fd) {
        send_chunked_head(fd);
        send_chunk(fd,
                   "{\"Type\":\"container\",\"Action\":\"start\",\"Actor\":{\"ID\":\"c1\",\"Attributes\":{\"image\":"
                   "\"a\",\"name\":\"web\"}},\"timeNano\":1767323045000000001}\n");
        send_chunk(fd, "");
    });
    EXPECT_EQ(run_program(daemon, {"events", "--until", "1s"}).out,
              "2026-01-02T03:04:05.000000001+00:00 container start c1 (image=a, name=web)\n");
    EXPECT_EQ(run_program(daemon, {"system", "events", "--format", "{{.Action}}"}).out, "start\n");
}

TEST(Program, unknown_commands_end_with_1_and_name_the_nearest) {
    FakeDaemon daemon;
    Ended ended = run_program(daemon, {"verson"});
    EXPECT_EQ(ended.code, 1);
    EXPECT_EQ(ended.err, "gantry: 'verson' is not a gantry command (did you mean 'version'?)\n");
    EXPECT_EQ(run_program(daemon, {"network", "lss"}).code, 1);
    EXPECT_EQ(run_program(daemon, {"stop"}).err,
              "gantry: 'gantry stop' requires at least 1 argument (usage: gantry stop [OPTIONS] CONTAINER "
              "[CONTAINER...])\n");
    ended = run_program(daemon, {"stop", "--tme", "3", "x"});
    EXPECT_EQ(ended.code, 125);
    EXPECT_EQ(ended.err, "gantry: unknown flag: --tme (did you mean --time?)\n");
}

TEST(Program, help_is_there_for_every_command) {
    FakeDaemon daemon;
    EXPECT_THAT(run_program(daemon, {}).out, StartsWith("Usage:  gantry [OPTIONS] COMMAND\n"));
    EXPECT_THAT(run_program(daemon, {"network", "--help"}).out, HasSubstr("\n  disconnect   "));
    EXPECT_THAT(run_program(daemon, {"help", "container", "ls"}).out,
                HasSubstr("Aliases:\n  gantry container ls, gantry container ps, gantry container list, gantry ps\n"));
    EXPECT_THAT(run_program(daemon, {"run", "--help"}).out, HasSubstr("  -p, --publish list "));
    EXPECT_TRUE(daemon.seen().empty());
}

TEST(Program, a_socket_that_is_not_there_is_told_of) {
    FakeDaemon daemon;
    Ended ended = run_program(daemon, {"-H", "unix:///nonexistent/socket", "ps"});
    EXPECT_EQ(ended.code, 1);
    EXPECT_EQ(ended.err,
              "gantry: Cannot connect to the Gantry daemon at unix:///nonexistent/socket. Is the daemon running?\n");
    EXPECT_EQ(run_program(daemon, {"-H", "unix:///nonexistent/socket", "run", "x"}).code, 125);
}

}  // namespace
}  // namespace gantry::cli::test
