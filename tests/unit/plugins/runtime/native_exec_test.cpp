#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>

#include "driver_under_test.hpp"

using gantry::Json;
using gantry::test::Box;
using gantry::test::drain;
using gantry::test::read_text;
using ::testing::HasSubstr;

namespace {

void start_sleeper(Box& box) {
    box.command("sleep 60");
    const auto created = box.create();
    ASSERT_TRUE(created.ok()) << created.message();
    ASSERT_TRUE(box.start().ok());
}

}  // namespace

TEST(NativeExec, runs_inside_all_namespaces_and_cgroups_of_the_container) {
    SKIP_UNLESS_ROOT();
    Box box;
    start_sleeper(box);
    const auto reply = box.exec("sleep 30");
    ASSERT_TRUE(reply.ok()) << reply.message();
    const int pid = reply.body["pid"];
    for (const char* kind : {"mnt", "pid", "ipc", "uts", "net", "cgroup", "user"})
        EXPECT_EQ(std::filesystem::read_symlink("/proc/" + std::to_string(pid) + "/ns/" + kind),
                  std::filesystem::read_symlink("/proc/" + std::to_string(box.pid) + "/ns/" + kind))
            << kind;
    EXPECT_EQ(read_text("/proc/" + std::to_string(pid) + "/cgroup"),
              read_text("/proc/" + std::to_string(box.pid) + "/cgroup"));
    ASSERT_EQ(::kill(pid, SIGKILL), 0);
    EXPECT_EQ(box.wait(pid), 128 + SIGKILL) << "it is a child of the monitor";
}

TEST(NativeExec, gives_status_output_and_the_processs_own_settings) {
    SKIP_UNLESS_ROOT();
    Box box;
    start_sleeper(box);
    Json process = box.config["process"];
    process["args"] = {"sh", "-c",
                       "id -u; id -g; id -G; env | grep ONE; cat /proc/self/cmdline > /dev/null; grep -E "
                       "'^(Cap|NoNew|Seccomp:)' /proc/self/status; exit 9"};
    process["env"].push_back("ONE=1");
    process["user"] = {{"uid", 1000}, {"gid", 1001}, {"additionalGids", {1002}}};
    process["noNewPrivileges"] = true;
    const auto reply = box.exec_process(process);
    ASSERT_TRUE(reply.ok()) << reply.message();
    const std::string out = box.exec_output();
    EXPECT_THAT(out, HasSubstr("1000\n1001\n1001 1002\nONE=1\n"));
    EXPECT_THAT(out, HasSubstr("CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n"));
    EXPECT_THAT(out, HasSubstr("CapAmb:\t0000000000000000\nNoNewPrivs:\t1\n"));
    EXPECT_EQ(box.wait(reply.body["pid"]), 9);
}

TEST(NativeExec, has_a_terminal_of_the_containers_devpts) {
    SKIP_UNLESS_ROOT();
    Box box;
    start_sleeper(box);
    auto reply = box.exec("tty; [ -t 0 ] && echo terminal", true);
    ASSERT_TRUE(reply.ok()) << reply.message();
    const std::string out = drain(reply.fds["terminal"].get());
    EXPECT_THAT(out, HasSubstr("/dev/pts/0\r\nterminal"));
    EXPECT_EQ(box.wait(reply.body["pid"]), 0);
}

TEST(NativeExec, fails_with_the_reason_of_the_exec_and_leaves_no_process) {
    SKIP_UNLESS_ROOT();
    Box box;
    start_sleeper(box);
    Json process = box.config["process"];
    process["args"] = {"nonesuch"};
    const auto reply = box.exec_process(process);
    EXPECT_EQ(reply.status, GANTRY_NOT_FOUND);
    EXPECT_EQ(reply.message(), "exec: \"nonesuch\": executable file not found in $PATH");
    auto* stats = box.driver.ability<gantry_runtime_stats>(GANTRY_RUNTIME_STATS);
    EXPECT_LE(box.driver.call(stats->pids, {{"id", box.id}}).body["pids"].size(), 2u);
    process["args"] = {"/bin/true"};
    process["cwd"] = "/nonesuch";
    EXPECT_EQ(box.exec_process(process).status, GANTRY_NOT_FOUND);
}

TEST(NativeExec, is_refused_once_the_container_has_ended) {
    SKIP_UNLESS_ROOT();
    Box box;
    box.command("exit 0");
    (void)box.run();
    EXPECT_EQ(box.exec("true").status, GANTRY_NOT_FOUND);
}

TEST(NativeExec, is_killed_with_the_container) {
    SKIP_UNLESS_ROOT();
    Box box;
    start_sleeper(box);
    const auto reply = box.exec("sleep 30");
    ASSERT_TRUE(reply.ok());
    ASSERT_TRUE(
        box.driver.call(box.driver.runtime()->signal, {{"id", box.id}, {"signal", SIGKILL}, {"all", true}}).ok());
    EXPECT_EQ(box.wait(reply.body["pid"]), 128 + SIGKILL);
    EXPECT_EQ(box.wait(box.pid), 128 + SIGKILL);
}
