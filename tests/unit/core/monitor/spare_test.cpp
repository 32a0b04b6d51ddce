// Monitors forked ahead.
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "core/base/files.hpp"
#include "core/base/text.hpp"
#include "core/base/unix_socket.hpp"
#include "fixture.hpp"

namespace gantry::monitor_test {
namespace {

class MonitorSpare : public MonitorTest {
protected:
    // The launcher's spare, once it has one; 0: none within ten seconds. Never `not_this`.
    int spare(int not_this = 0) {
        const std::string launcher = std::to_string(launcher_pid());
        for (int turn = 0; turn < 1000; ++turn) {
            const std::string children = read_file("/proc/" + launcher + "/task/" + launcher + "/children").value();
            for (std::string_view word : split(children, ' ')) {
                const int pid = static_cast<int>(parse_int(word).value_or(0));
                auto name = read_file("/proc/" + std::string(word) + "/comm");
                if (pid > 0 && pid != not_this && name && *name == "gantry-spare\n") return pid;
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
        return 0;
    }
};

TEST_F(MonitorSpare, becomes_the_monitor_of_the_next_container) {
    const int first = spare();
    ASSERT_GT(first, 0);
    auto monitor = run(request("c1", "exit 3"));
    ASSERT_TRUE(monitor);
    EXPECT_EQ(monitor->monitor_pid(), first);
    EXPECT_EQ(wait_event("c1", MonitorEvent::Type::exited)->exit_code, 3);
    const int second = spare(first);
    ASSERT_GT(second, 0);
    // Two at once: one has it, the other is forked for it.
    auto one = run(request("c2", "exec sleep 100")), two = run(request("c3", "exit 4"));
    ASSERT_TRUE(one && two);
    EXPECT_EQ(one->monitor_pid(), second);
    EXPECT_EQ(wait_event("c3", MonitorEvent::Type::exited)->exit_code, 4);
    ASSERT_TRUE(one->signal(SIGKILL, false));
    EXPECT_EQ(wait_event("c2", MonitorEvent::Type::exited)->exit_code, 137);
}

TEST_F(MonitorSpare, is_replaced_when_the_drivers_get_something_new) {
    const int before = spare();
    ASSERT_GT(before, 0);
    ASSERT_TRUE(launcher_->warm_seccomp("d", Json::object()));
    const int after = spare(before);
    ASSERT_GT(after, 0);
    auto monitor = run(request("c1", "exit 0"));
    ASSERT_TRUE(monitor);
    EXPECT_EQ(monitor->monitor_pid(), after);
    EXPECT_FALSE(alive(before));
}

TEST_F(MonitorSpare, that_was_killed_is_missed_by_nobody) {
    const int killed = spare();
    ASSERT_GT(killed, 0);
    ::kill(killed, SIGKILL);
    for (int turn = 0; turn < 1000 && alive(killed); ++turn) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    auto monitor = run(request("c1", "exit 5"));
    ASSERT_TRUE(monitor);
    EXPECT_EQ(wait_event("c1", MonitorEvent::Type::exited)->exit_code, 5);
    EXPECT_NE(spare(killed), 0);
}

TEST_F(MonitorSpare, ends_with_its_launcher) {
    const int waiting = spare(), launcher = launcher_pid();
    ASSERT_GT(waiting, 0);
    auto monitor = run(request("c1", "exec sleep 100"));
    const int next = spare(waiting);
    ASSERT_GT(next, 0);
    ::kill(launcher, SIGKILL);
    for (int turn = 0; turn < 1000 && alive(next); ++turn) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    EXPECT_FALSE(alive(next));
    ASSERT_TRUE(monitor->signal(SIGKILL, false));
    EXPECT_EQ(wait_event("c1", MonitorEvent::Type::exited)->exit_code, 137);
}

}  // namespace
}  // namespace gantry::monitor_test
