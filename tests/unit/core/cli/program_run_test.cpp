// `gantry run` and its relatives, whole, against a fake daemon.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/files.hpp"
#include "fake_daemon.hpp"

namespace gantry::cli::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// A daemon with one container "c1" that says something and ends with a code.
struct RunDaemon : FakeDaemon {
    std::mutex mutex;
    std::condition_variable changed;
    bool started = false;
    int code = 0;
    std::string killed_by;
    std::string output = frame(1, "hello\n") + frame(2, "oops\n");
    bool echo = false, until_killed = false;

    RunDaemon() {
        on_json("POST /containers/create", 201, R"({"Id":"c1","Warnings":[]})");
        on("POST /containers/c1/attach", [this](const FakeRequest&, int fd) {
            send_upgrade(fd);
            std::string text;
            bool echoes = false, waits = false;
            wait_until([&] {
                text = output, echoes = echo, waits = until_killed;
                return started;
            });
            send_text(fd, text);
            char block[4096];
            for (ssize_t n = 0; echoes && (n = ::recv(fd, block, sizeof block, 0)) > 0;)
                send_text(fd, frame(1, std::string_view(block, static_cast<std::size_t>(n))));
            if (waits) wait_until([this] { return !killed_by.empty(); });
            ::shutdown(fd, SHUT_RDWR);
        });
        on("POST /containers/c1/wait", [this](const FakeRequest&, int fd) {
            send_chunked_head(fd);
            int ended = 0;
            wait_until([&] {
                ended = code;
                return started && (!until_killed || !killed_by.empty());
            });
            send_chunk(fd, R"({"StatusCode":)" + std::to_string(ended) + "}");
            send_chunk(fd, "");
        });
        on("POST /containers/c1/start", [this](const FakeRequest&, int fd) {
            set([this] { started = true; });
            send_json(fd, 204, "");
        });
        on("POST /containers/c1/kill", [this](const FakeRequest& request, int fd) {
            set([&] { killed_by = request.target.substr(request.target.find("signal=") + 7); });
            send_json(fd, 204, "");
        });
    }
    ~RunDaemon() override {
        set([this] { started = true, killed_by = "the end of the test"; });
        stop();
    }
    void set(const std::function<void()>& change) {
        std::lock_guard lock(mutex);
        change();
        changed.notify_all();
    }
    void wait_until(const std::function<bool()>& reached) {
        std::unique_lock lock(mutex);
        changed.wait_for(lock, std::chrono::seconds(10), reached);
    }
};

TEST(ProgramRun, output_is_taken_apart_and_the_exit_code_is_the_containers) {
    RunDaemon daemon;
    daemon.set([&] { daemon.code = 7; });
    Ended ended = run_program(daemon, {"run", "--name", "web", "image", "sh", "-c", "x"});
    EXPECT_EQ(ended.code, 7);
    EXPECT_EQ(ended.out, "hello\n");
    EXPECT_EQ(ended.err, "oops\n");
    Json body = daemon.request("POST /containers/create?name=web").json();
    EXPECT_EQ(body["Image"], "image");
    EXPECT_EQ(body["Cmd"], Json::parse(R"(["sh","-c","x"])"));
    EXPECT_EQ(body["AttachStdout"], true);
    EXPECT_EQ(body["OpenStdin"], false);
}

TEST(ProgramRun, attach_and_wait_are_in_place_before_the_start) {
    RunDaemon daemon;
    ASSERT_EQ(run_program(daemon, {"run", "--rm", "image"}).code, 0);
    std::vector<std::string> seen = daemon.seen();
    ASSERT_EQ(seen.size(), 4u);
    EXPECT_EQ(seen[0], "POST /containers/create");
    EXPECT_EQ(seen[3], "POST /containers/c1/start");
    std::sort(seen.begin(), seen.end());
    EXPECT_THAT(seen, ElementsAre("POST /containers/c1/attach?stream=1&stdout=1&stderr=1", "POST /containers/c1/start",
                                  "POST /containers/c1/wait?condition=removed", "POST /containers/create"));
    EXPECT_THAT(daemon.request("POST /containers/c1/attach").head, HasSubstr("Upgrade: tcp"));
    EXPECT_EQ(daemon.request("POST /containers/create").json()["HostConfig"]["AutoRemove"], true);
}

TEST(ProgramRun, detached_prints_the_id_and_attaches_nothing) {
    RunDaemon daemon;
    Ended ended = run_program(daemon, {"run", "-d", "image"});
    EXPECT_EQ(ended.code, 0);
    EXPECT_EQ(ended.out, "c1\n");
    EXPECT_THAT(daemon.seen(), ElementsAre("POST /containers/create", "POST /containers/c1/start"));
}

TEST(ProgramRun, standard_input_is_sent_whole_and_then_closed) {
    RunDaemon daemon;
    daemon.set([&] { daemon.echo = true, daemon.output.clear(); });
    std::string input(3 << 20, 'x');
    Ended ended = run_program(daemon, {"run", "-i", "image", "cat"}, input);
    EXPECT_EQ(ended.code, 0);
    EXPECT_TRUE(ended.out == input) << ended.out.size();
    EXPECT_THAT(daemon.request("POST /containers/c1/attach").target, HasSubstr("stdin=1"));
}

TEST(ProgramRun, signals_go_to_the_container) {
    RunDaemon daemon;
    daemon.set([&] { daemon.until_killed = true, daemon.code = 143; });
    Program program(daemon, {"run", "image"});
    daemon.wait_until([&] { return daemon.started; });
    ::kill(program.pid(), SIGTERM);
    EXPECT_EQ(program.wait().code, 143);
    daemon.set([&] { EXPECT_EQ(daemon.killed_by, "TERM"); });
}

TEST(ProgramRun, what_cannot_be_started_ends_with_dockers_codes) {
    for (const auto& [message, code] :
         {std::pair(R"(exec: \"nope\": executable file not found in $PATH)", 127),
          std::pair("exec /x: permission denied", 126), std::pair("port is already allocated", 125)}) {
        RunDaemon daemon;
        daemon.on_json("POST /containers/c1/start", 500, R"({"message":")" + std::string(message) + "\"}");
        Ended ended = run_program(daemon, {"run", "image", "nope"});
        EXPECT_EQ(ended.code, code) << message;
        EXPECT_THAT(ended.err, StartsWith("gantry: Error response from daemon: "));
        EXPECT_EQ(std::count(ended.err.begin(), ended.err.end(), '\n'), 1) << ended.err;
    }
}

TEST(ProgramRun, a_missing_image_is_said_and_pulled) {
    RunDaemon daemon;
    std::atomic<int> creates{0};
    daemon.on("POST /containers/create", [&](const FakeRequest&, int fd) {
        if (creates++ == 0)
            send_json(fd, 404, R"({"message":"No such image: busybox:latest"})");
        else
            send_json(fd, 201, R"({"Id":"c1"})");
    });
    daemon.on_json("POST /images/create", 200,
                   "{\"status\":\"Pulling\",\"id\":\"latest\"}\n{\"status\":\"Downloading\",\"id\":\"a\","
                   "\"progressDetail\":{\"current\":1,\"total\":2}}\n");
    Ended ended = run_program(daemon, {"run", "busybox"});
    EXPECT_EQ(ended.code, 0);
    EXPECT_THAT(ended.err, StartsWith("Unable to find image 'busybox:latest' locally\nlatest: Pulling\n"));
    EXPECT_EQ(daemon.request("POST /images/create").target, "/images/create?fromImage=busybox&tag=latest");

    RunDaemon refuses;
    refuses.on_json("POST /containers/create", 404, R"({"message":"No such image: busybox:latest"})");
    refuses.on_json("POST /images/create", 501, R"({"message":"pulling is not supported yet"})");
    ended = run_program(refuses, {"run", "busybox"});
    EXPECT_EQ(ended.code, 125);
    EXPECT_THAT(ended.err, HasSubstr("gantry: Error response from daemon: pulling is not supported yet"));
    EXPECT_EQ(run_program(refuses, {"run", "--pull=never", "busybox"}).code, 125);
}

TEST(ProgramRun, wrong_options_are_one_clear_line_and_125) {
    FakeDaemon daemon;
    Ended ended = run_program(daemon, {"run", "--nmae", "x", "image"});
    EXPECT_EQ(ended.code, 125);
    EXPECT_EQ(ended.err, "gantry: unknown flag: --nmae (did you mean --name?)\n");
    EXPECT_THAT(run_program(daemon, {"run", "-p", "x:80", "image"}).err,
                StartsWith("gantry: invalid argument \"x:80\" for \"-p, --publish\" flag: invalid hostPort: x"));
    EXPECT_EQ(run_program(daemon, {"run", "--gpus", "all", "image"}).code, 125);
    EXPECT_EQ(run_program(daemon, {"run", "--rm", "--restart=always", "image"}).code, 125);
    EXPECT_THAT(run_program(daemon, {"run", "-it", "image"}).err, HasSubstr("stdin is not a terminal"));
    EXPECT_TRUE(daemon.seen().empty());
}

TEST(ProgramRun, a_daemon_that_dies_is_told_apart_from_the_containers_end) {
    RunDaemon daemon;
    daemon.on("POST /containers/c1/wait", [&](const FakeRequest&, int fd) {
        send_chunked_head(fd);
        daemon.wait_until([&] { return daemon.started; });
        ::shutdown(fd, SHUT_RDWR);
    });
    Ended ended = run_program(daemon, {"run", "image"});
    EXPECT_EQ(ended.code, 125);
    EXPECT_THAT(ended.err, HasSubstr("lost the connection to the daemon"));
}

TEST(ProgramRun, cidfile_holds_the_id_and_an_old_one_is_kept) {
    RunDaemon daemon;
    std::string file = daemon.directory() + "/cid";
    ASSERT_EQ(run_program(daemon, {"run", "-d", "--cidfile", file, "image"}).code, 0);
    EXPECT_EQ(*read_file(file), "c1");
    Ended again = run_program(daemon, {"run", "-d", "--cidfile", file, "image"});
    EXPECT_EQ(again.code, 125);
    EXPECT_THAT(again.err, HasSubstr("container ID file found"));
}

TEST(ProgramRun, exec_streams_and_ends_with_the_commands_code) {
    FakeDaemon daemon;
    daemon.on_json("POST /containers/web/exec", 201, R"({"Id":"e1"})");
    daemon.on("POST /exec/e1/start", [](const FakeRequest&, int fd) {
        send_upgrade(fd);
        send_text(fd, frame(1, "out") + frame(2, "err"));
        ::shutdown(fd, SHUT_RDWR);
    });
    daemon.on_json("GET /exec/e1/json", 200, R"({"Running":false,"ExitCode":3})");
    Ended ended = run_program(daemon, {"exec", "-u", "nobody", "-e", "A=1", "-w", "/tmp", "web", "ls", "-l"});
    EXPECT_EQ(ended.code, 3);
    EXPECT_EQ(ended.out, "out");
    EXPECT_EQ(ended.err, "err");
    Json body = daemon.request("POST /containers/web/exec").json();
    EXPECT_EQ(body["Cmd"], Json::parse(R"(["ls","-l"])"));
    EXPECT_EQ(body["User"], "nobody");
    EXPECT_EQ(body["Env"], Json::parse(R"(["A=1"])"));

    daemon.on_json("POST /exec/e1/start", 400, R"({"message":"exec: \"x\": executable file not found in $PATH"})");
    EXPECT_EQ(run_program(daemon, {"exec", "web", "x"}).code, 127);
    daemon.on_json("POST /containers/web/exec", 409, R"({"message":"container web is not running"})");
    ended = run_program(daemon, {"exec", "web", "x"});
    EXPECT_EQ(ended.code, 1);
    EXPECT_EQ(ended.err, "Error response from daemon: container web is not running\n");
}

TEST(ProgramRun, start_attached_passes_the_code_on_and_several_starts_are_listed) {
    RunDaemon daemon;
    daemon.set([&] { daemon.code = 4; });
    daemon.on_json("GET /containers/web/json", 200,
                   R"({"Id":"c1","Config":{"Tty":false,"OpenStdin":false},"HostConfig":{"AutoRemove":false}})");
    Ended ended = run_program(daemon, {"start", "-a", "web"});
    EXPECT_EQ(ended.code, 4);
    EXPECT_EQ(ended.out, "hello\n");
    daemon.on_json("POST /containers/a/start", 204, "");
    daemon.on_json("POST /containers/b/start", 404, R"({"message":"No such container: b"})");
    ended = run_program(daemon, {"start", "b", "a"});
    EXPECT_EQ(ended.code, 1);
    EXPECT_EQ(ended.out, "a\n");
    EXPECT_EQ(ended.err, "Error response from daemon: No such container: b\n");
}

TEST(ProgramRun, attach_refuses_what_does_not_run) {
    FakeDaemon daemon;
    daemon.on_json("GET /containers/web/json", 200, R"({"Id":"c1","State":{"Running":false}})");
    Ended ended = run_program(daemon, {"attach", "web"});
    EXPECT_EQ(ended.code, 1);
    EXPECT_EQ(ended.err, "gantry: cannot attach to a stopped container, start it first\n");
}

}  // namespace
}  // namespace gantry::cli::test
