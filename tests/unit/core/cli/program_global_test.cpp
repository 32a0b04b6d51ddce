// What stands before the command, against a fake daemon: --json, hosts, what shells call.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "fake_daemon.hpp"

namespace gantry::cli::test {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

Json error_of(const Ended& ended) {
    EXPECT_EQ(std::count(ended.err.begin(), ended.err.end(), '\n'), 1) << ended.err;
    return Json::parse(ended.err, nullptr, false)["error"];
}

TEST(ProgramGlobal, json_errors_are_one_object_with_the_daemons_status) {
    FakeDaemon daemon;
    daemon.on_json("POST /containers/a/stop", 409, R"({"message":"is \u001b[31m odd"})");
    Ended ended = run_program(daemon, {"--json", "stop", "a"});
    EXPECT_EQ(ended.code, 1);
    EXPECT_EQ(
        error_of(ended),
        Json({{"message", "Error response from daemon: is \x1b[31m odd"}, {"code", "conflict"}, {"status", 409}}));
    EXPECT_EQ(ended.err.find('\x1b'), std::string::npos);
    daemon.on_json("GET /info", 503, R"({"message":"busy"})");
    EXPECT_EQ(error_of(run_program(daemon, {"--json", "info"}))["status"], 503);
}

TEST(ProgramGlobal, json_errors_of_the_command_line_have_no_status_and_the_same_exit_codes) {
    FakeDaemon daemon;
    Ended ended = run_program(daemon, {"--json", "ps", "--bogus"});
    EXPECT_EQ(ended.code, 125);
    EXPECT_EQ(error_of(ended), Json({{"message", "unknown flag: --bogus"}, {"code", "invalid"}, {"status", nullptr}}));
    EXPECT_EQ(run_program(daemon, {"--json", "rnu"}).code, 1);
    EXPECT_EQ(error_of(run_program(daemon, {"--json", "--bogus", "ps"}))["code"], "invalid");
    ended = run_program(daemon, {"--json", "run", "image"});
    EXPECT_EQ(ended.code, 125);
    EXPECT_EQ(error_of(ended)["status"], 404);
    EXPECT_EQ(error_of(run_program(daemon, {"--json", "-H", "unix:///no/such", "ps"}))["code"], "retry_later");
}

TEST(ProgramGlobal, each_name_that_fails_has_an_object_of_its_own) {
    FakeDaemon daemon;
    Ended ended = run_program(daemon, {"--json", "stop", "a", "b"});
    EXPECT_EQ(ended.code, 1);
    std::size_t end = ended.err.find('\n');
    EXPECT_EQ(Json::parse(ended.err.substr(0, end))["error"]["status"], 404);
    EXPECT_EQ(Json::parse(ended.err.substr(end + 1))["error"]["status"], 404);
}

TEST(ProgramGlobal, a_wrong_host_is_one_line) {
    FakeDaemon daemon;
    for (const char* host : {"nonsense://x", "ssh://-oProxyCommand=id", "tcp://h:x"}) {
        Ended ended = run_program(daemon, {"-H", host, "ps"});
        EXPECT_EQ(ended.code, 1) << host;
        EXPECT_THAT(ended.err, StartsWith("gantry: unable to parse host ")) << host;
        EXPECT_EQ(std::count(ended.err.begin(), ended.err.end(), '\n'), 1) << host;
    }
    Ended ended = run_program(daemon, {"-H", "unix:///x", "-c", "y", "ps"});
    EXPECT_EQ(ended.code, 1);
    EXPECT_EQ(ended.err, "gantry: conflicting options: cannot specify both --host and --context\n");
    EXPECT_EQ(run_program(daemon, {"-H", "nonsense://x", "version", "--client"}).code, 0);
}

TEST(ProgramGlobal, a_tcp_host_without_tls_is_spoken_to_through_gantry_dial) {
    FakeDaemon daemon;
    Ended ended = run_program(daemon, {"-H", "tcp://127.0.0.1:1", "ps"});
    EXPECT_EQ(ended.code, 1);
    EXPECT_EQ(ended.err,
              "gantry: Cannot connect to the Gantry daemon at tcp://127.0.0.1:1: connect: Connection refused\n");
}

TEST(ProgramGlobal, dial_stdio_carries_a_request_and_its_answer) {
    FakeDaemon daemon;
    daemon.on("GET /_ping", [](const FakeRequest&, int fd) {
        send_json(fd, 200, "OK");
        ::shutdown(fd, SHUT_WR);
    });
    Ended ended =
        run_program(daemon, {"system", "dial-stdio"}, "GET /_ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    EXPECT_EQ(ended.code, 0);
    EXPECT_THAT(ended.out, StartsWith("HTTP/1.1 200"));
    EXPECT_THAT(ended.out, HasSubstr("OK"));
}

TEST(ProgramGlobal, docker_env_is_what_a_shell_reads) {
    FakeDaemon daemon;
    EXPECT_THAT(
        run_program(daemon, {"-H", "unix:///a'b", "docker-env"}).out,
        StartsWith("export DOCKER_HOST='unix:///a'\\''b'\nunset DOCKER_TLS_VERIFY\nunset DOCKER_CERT_PATH\n# "));
    EXPECT_THAT(run_program(daemon, {"-H", "unix:///x", "docker-env", "--shell", "fish"}).out,
                StartsWith("set -gx DOCKER_HOST 'unix:///x';\nset -e DOCKER_TLS_VERIFY;\n"));
    EXPECT_THAT(run_program(daemon, {"docker-env", "--unset"}).out,
                StartsWith("unset DOCKER_HOST\nunset DOCKER_TLS_VERIFY\nunset DOCKER_CERT_PATH\n"));
    Ended ended = run_program(daemon, {"docker-env", "--shell", "tcsh"});
    EXPECT_EQ(ended.code, 1);
    EXPECT_EQ(ended.err, "gantry: --shell \"tcsh\": want bash, zsh, sh or fish\n");
}

TEST(ProgramGlobal, completed_names_come_from_the_daemon_and_are_plain_words) {
    FakeDaemon daemon;
    daemon.on_json(
        "GET /containers/json", 200,
        R"([{"Names":["/web"],"Image":"nginx","Status":"Up 2 minutes"},{"Names":["/x;rm -rf"],"Image":"i","Status":"s"}])");
    EXPECT_EQ(run_program(daemon, {"__complete", "--", "stop", ""}).out, "web\tnginx, Up 2 minutes\n");
    EXPECT_EQ(run_program(daemon, {"__complete", "--", "-H", "unix:///no/such", "stop", ""}).out, "");
    EXPECT_EQ(run_program(daemon, {"__complete", "--", "ps", "--no-t"}).out, "--no-trunc\tDon't truncate output\n");
}

}  // namespace
}  // namespace gantry::cli::test
