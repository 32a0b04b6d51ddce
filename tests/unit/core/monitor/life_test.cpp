#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>

#include "core/base/files.hpp"
#include "fixture.hpp"

namespace gantry::monitor_test {
namespace {

class MonitorLife : public MonitorTest {};

TEST_F(MonitorLife, runs_a_process_and_records_its_exit_code_before_telling) {
    auto monitor = run(request("c1", "echo hello; echo oops >&2; exit 7"));
    ASSERT_TRUE(monitor);
    auto event = wait_event("c1", MonitorEvent::Type::exited);
    ASSERT_TRUE(event);
    EXPECT_EQ(event->exit_code, 7);
    auto record = container::read_exit_record(path("c1/exit.json"));
    ASSERT_TRUE(record) << record.error().text;
    EXPECT_EQ(record->exit_code, 7);
    EXPECT_GT(record->started_ns, 0);
    EXPECT_GE(record->finished_ns, record->started_ns);
    monitor->wait_gone();
    EXPECT_EQ(logged("c1", 1), "hello\n");
    EXPECT_EQ(logged("c1", 2), "oops\n");
    EXPECT_FALSE(path_exists(path("c1/monitor.sock")));
}

TEST_F(MonitorLife, tells_128_plus_the_signal_that_killed) {
    auto monitor = run(request("c1", "exec sleep 100"));
    ASSERT_TRUE(monitor->signal(SIGTERM, false));
    auto event = wait_event("c1", MonitorEvent::Type::exited);
    ASSERT_TRUE(event);
    EXPECT_EQ(event->exit_code, 143);
}

TEST_F(MonitorLife, the_workload_has_only_its_stdio_and_a_clean_signal_state) {
    auto monitor = run(request("c1", "ls /proc/self/fd; grep -E 'Sig(Blk|Ign)' /proc/self/status; umask"));
    ASSERT_TRUE(wait_event("c1", MonitorEvent::Type::exited));
    // 3 is the directory that ls reads.
    EXPECT_EQ(logged("c1", 1), "0\n1\n2\n3\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n0022\n");
}

TEST_F(MonitorLife, a_program_that_is_not_there_fails_the_start_and_leaves_nothing) {
    LaunchRequest wanted = request("c1", "");
    ASSERT_TRUE(write_file(wanted.bundle + "/config.json", R"({"process":{"args":["/no/such/program"]}})"));
    auto launched = launcher_->launch(std::move(wanted));
    ASSERT_TRUE(launched);
    auto started = (*launched)->start();
    ASSERT_FALSE(started);
    EXPECT_EQ(started.error().code, Code::not_found);
    EXPECT_EQ(started.error().system_errno, ENOENT);
    (*launched)->wait_gone();
    EXPECT_FALSE(path_exists(path("c1/exit.json")));
    std::lock_guard lock(mutex_);
    EXPECT_TRUE(events_.empty());
}

TEST_F(MonitorLife, a_launch_that_the_driver_refuses_gives_its_reason) {
    LaunchRequest wanted = request("c1", "");
    ASSERT_TRUE(write_file(wanted.bundle + "/config.json", "no json"));
    auto launched = launcher_->launch(std::move(wanted));
    ASSERT_FALSE(launched);
    EXPECT_EQ(launched.error().code, Code::invalid);
    EXPECT_THAT(launched.error().text, ::testing::HasSubstr("no config.json"));
    EXPECT_FALSE(path_exists(path("c1/monitor.sock")));
}

TEST_F(MonitorLife, an_unknown_driver_is_refused) {
    LaunchRequest wanted = request("c1", "");
    wanted.driver = "nosuch";
    auto launched = launcher_->launch(std::move(wanted));
    ASSERT_FALSE(launched);
    EXPECT_THAT(launched.error().text, ::testing::HasSubstr("nosuch"));
}

TEST_F(MonitorLife, a_container_that_is_never_started_goes_with_its_engine) {
    auto launched = launcher_->launch(request("c1", "true"));
    ASSERT_TRUE(launched);
    int pid = (*launched)->pid();
    launched = fail(Code::cancelled, "the engine lost interest");
    for (int i = 0; i < 500 && alive(pid); ++i) ::usleep(10'000);
    EXPECT_FALSE(alive(pid));
    for (int i = 0; i < 100 && path_exists(path("c1/monitor.sock")); ++i) ::usleep(10'000);
    EXPECT_FALSE(path_exists(path("c1/monitor.sock")));
}

TEST_F(MonitorLife, processes_that_outlive_the_first_one_are_removed_and_their_output_is_kept) {
    auto monitor = run(request("c1", "(echo early; exec sleep 1000) & sleep 0.2; exit 4"));
    auto event = wait_event("c1", MonitorEvent::Type::exited);
    ASSERT_TRUE(event);
    EXPECT_EQ(event->exit_code, 4);
    monitor->wait_gone();
    EXPECT_EQ(logged("c1"), "early\n");
}

TEST_F(MonitorLife, an_optional_table_of_the_driver_can_be_asked_for) {
    auto monitor = run(request("c1", "sleep 100"));
    auto pids = monitor->driver_call("runtime.stats/1", "pids", Json::object());
    ASSERT_TRUE(pids) << pids.error().text;
    EXPECT_EQ((*pids)["pids"], Json::array({monitor->pid()}));
    auto pause = monitor->driver_call("runtime.pause/1", "pause", Json::object());
    ASSERT_FALSE(pause);
    EXPECT_EQ(pause.error().code, Code::unsupported);
}

TEST_F(MonitorLife, two_hundred_containers_side_by_side_end_with_their_own_codes) {
    for (int i = 0; i < 200; ++i) ASSERT_TRUE(run(request("m" + std::to_string(i), "exit " + std::to_string(i))));
    for (int i = 0; i < 200; ++i) {
        auto event = wait_event("m" + std::to_string(i), MonitorEvent::Type::exited);
        ASSERT_TRUE(event);
        EXPECT_EQ(event->exit_code, i);
    }
    for (auto& monitor : monitors_) monitor->wait_gone();
}

TEST_F(MonitorLife, helpers_run_outside_the_engine) {
    auto [ours, theirs] = pipe_pair();
    const int fds[3] = {-1, theirs.get(), -1};
    int pid = 0;
    auto status = launcher_->spawn({"/bin/sh", "-c", "echo $A; ls /proc/self/fd | tr '\\n' ' '; exit 9"},
                                   {"A=b", "PATH=/bin"}, fds, 5000, [&](int p) { pid = p; });
    ASSERT_TRUE(status) << status.error().text;
    EXPECT_EQ(*status, 9);
    EXPECT_GT(pid, 0);
    theirs.reset();
    EXPECT_EQ(read_until(ours.get()), "b\n0 1 2 3 ");
    const int none[3] = {-1, -1, -1};
    auto missing = launcher_->spawn({"/no/such/helper"}, {}, none, 5000);
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code, Code::not_found);
    auto late = launcher_->spawn({"/bin/sleep", "100"}, {}, none, 100, [&](int p) { pid = p; });
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().code, Code::deadline);
    EXPECT_FALSE(alive(pid));
}

TEST_F(MonitorLife, the_launcher_lists_its_drivers_and_warms_filters) {
    auto drivers = launcher_->drivers();
    ASSERT_TRUE(drivers);
    bool found = false;
    for (const Json& driver : *drivers)
        found = found || (driver.value("name", "") == "fake" && driver.value("loaded", false));
    EXPECT_TRUE(found) << drivers->dump();
    EXPECT_TRUE(launcher_->warm_seccomp("digest", Json::object()));
}

}  // namespace
}  // namespace gantry::monitor_test
