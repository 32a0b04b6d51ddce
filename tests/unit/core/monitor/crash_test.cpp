#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>

#include "core/base/files.hpp"
#include "core/base/unix_socket.hpp"
#include "fixture.hpp"

namespace gantry::monitor_test {
namespace {

class MonitorCrash : public MonitorTest {
protected:
    // The next launcher runs with this failpoint.
    void failpoint(const char* what) {
        launcher_->shut_down();
        ::setenv("GANTRY_FAILPOINT", what, 1);
        connect();
        ::unsetenv("GANTRY_FAILPOINT");
    }
};

TEST_F(MonitorCrash, a_killed_monitor_is_lost_without_a_record) {
    auto monitor = run(request("c1", "exec sleep 100"));
    ::kill(monitor->monitor_pid(), SIGKILL);
    auto event = wait_event("c1", MonitorEvent::Type::lost);
    ASSERT_TRUE(event);
    monitor->wait_gone();
    EXPECT_FALSE(container::read_exit_record(path("c1/exit.json")));
    EXPECT_EQ(launcher_->reconnect("c1", path("c1")).error().code, Code::not_found);
    EXPECT_TRUE(launcher_->sweep("fake", "c1", "/x"));
    EXPECT_EQ(monitor->signal(SIGKILL, false).error().code, Code::not_found);
}

TEST_F(MonitorCrash, a_killed_launcher_takes_nothing_with_it_and_is_replaced) {
    auto first = run(request("c1", "while [ ! -e " + path("go") + " ]; do sleep 0.02; done; exit 8"));
    ASSERT_TRUE(launcher_->warm_seccomp("d", Json::object()));
    int pid = launcher_pid();
    ::kill(pid, SIGKILL);
    auto second = run(request("c2", "exit 9"));
    ASSERT_TRUE(second);
    EXPECT_NE(launcher_pid(), pid);
    EXPECT_EQ(wait_event("c2", MonitorEvent::Type::exited)->exit_code, 9);
    ASSERT_TRUE(write_file(path("go"), ""));
    EXPECT_EQ(wait_event("c1", MonitorEvent::Type::exited)->exit_code, 8);
}

TEST_F(MonitorCrash, a_new_engine_finds_running_containers_and_what_ended_meanwhile) {
    auto monitor = run(request("c1", "while [ ! -e " + path("go") + " ]; do sleep 0.02; done; exit 8"));
    run(request("c2", "sleep 0.2; exit 9"));
    ASSERT_TRUE(monitor->exec("e1", process("sleep 0.2; exit 5"), false, "", {}));
    int monitor_pid = monitor->monitor_pid(), launcher = launcher_pid();
    monitor.reset();
    monitors_.clear();
    launcher_.reset();
    ::usleep(500'000);
    events_.clear();
    connect();
    EXPECT_EQ(launcher_pid(), launcher);
    auto again = launcher_->reconnect("c1", path("c1"));
    ASSERT_TRUE(again) << again.error().text;
    monitors_.push_back(*again);
    EXPECT_EQ((*again)->monitor_pid(), monitor_pid);
    EXPECT_EQ(wait_event("c1", MonitorEvent::Type::exec_exited)->exit_code, 5);
    EXPECT_EQ(launcher_->reconnect("c2", path("c2")).error().code, Code::not_found);
    EXPECT_EQ(container::read_exit_record(path("c2/exit.json")).value().exit_code, 9);
    auto [ours, theirs] = socket_pair();
    Monitor::Attachment attachment;
    attachment.client = std::move(theirs);
    ASSERT_TRUE((*again)->attach(std::move(attachment)));
    ASSERT_TRUE(write_file(path("go"), ""));
    EXPECT_EQ(wait_event("c1", MonitorEvent::Type::exited)->exit_code, 8);
    EXPECT_EQ(read_until(ours.get()), "");
}

TEST_F(MonitorCrash, a_launcher_with_other_settings_is_replaced) {
    int pid = launcher_pid();
    launcher_.reset();
    Json settings{{"engine", "gtest"},
                  {"path", {GANTRY_TEST_DRIVERS}},
                  {"root", root_},
                  {"runtimes", {{"other", {{"use", "fake"}}}}}};
    auto connected = Launcher::connect(root_, GANTRY_TEST_LAUNCHER, settings, {});
    ASSERT_TRUE(connected) << connected.error().text;
    launcher_ = std::move(*connected);
    EXPECT_NE(launcher_pid(), pid);
    EXPECT_FALSE(alive(pid));
}

TEST_F(MonitorCrash, a_death_before_the_exit_record_is_lost_and_after_it_is_known) {
    failpoint("monitor.before_exit_record=kill");
    run(request("c1", "exit 3"));
    EXPECT_TRUE(wait_event("c1", MonitorEvent::Type::lost));
    failpoint("monitor.after_exit_record=kill");
    run(request("c2", "exit 3"));
    EXPECT_EQ(wait_event("c2", MonitorEvent::Type::exited)->exit_code, 3);
}

TEST_F(MonitorCrash, a_death_on_the_way_to_a_launch_is_an_error) {
    for (const char* point : {"monitor.before_create=kill", "monitor.after_create=kill"}) {
        failpoint(point);
        auto launched = launcher_->launch(request("c1", "exec sleep 100"));
        EXPECT_FALSE(launched) << point;
    }
    // A launcher that dies has begun nothing: the next one is asked again.
    failpoint("launcher.before_fork=kill");
    auto second = launcher_->launch(request("c1", "exec sleep 100"));
    EXPECT_TRUE(second);
    if (second) monitors_.push_back(*second);
    failpoint("monitor.after_create=error");
    auto launched = launcher_->launch(request("c1", "exec sleep 100"));
    ASSERT_FALSE(launched);
    EXPECT_THAT(launched.error().text, ::testing::HasSubstr("failpoint"));
}

TEST_F(MonitorCrash, strangers_and_nonsense_do_not_disturb_the_launcher) {
    for (int i = 0; i < 50; ++i) {
        auto connection = connect_unix(path("launcher.sock"), SOCK_SEQPACKET);
        ASSERT_TRUE(connection);
        const std::string junk =
            i % 2 ? "{\"op\":5,\"fds\":[1]}" : std::string(static_cast<std::size_t>(i) * 100 + 1, '\xff');
        (void)::send(connection->get(), junk.data(), junk.size(), MSG_NOSIGNAL);
    }
    EXPECT_TRUE(launcher_->drivers());
}

}  // namespace
}  // namespace gantry::monitor_test
