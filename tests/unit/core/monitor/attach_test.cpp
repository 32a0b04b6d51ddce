#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/files.hpp"
#include "fixture.hpp"

namespace gantry::monitor_test {
namespace {

class MonitorAttach : public MonitorTest {
protected:
    Monitor::Attachment client(UniqueFd fd, bool in = false) {
        Monitor::Attachment attachment;
        attachment.client = std::move(fd);
        attachment.in = in;
        return attachment;
    }
    LaunchRequest interactive(const std::string& script, bool terminal = false) {
        LaunchRequest wanted = request("c1", script);
        wanted.open_stdin = true;
        wanted.stdin_once = true;
        wanted.terminal = terminal;
        return wanted;
    }
};

TEST_F(MonitorAttach, a_client_attached_before_the_start_misses_nothing) {
    auto [ours, theirs] = socket_pair();
    LaunchRequest wanted = request("c1", "echo out; echo err >&2; exit 3");
    wanted.attachments.push_back(client(std::move(theirs)));
    run(std::move(wanted));
    auto [out, err] = unframe(read_until(ours.get()));
    EXPECT_EQ(out, "out\n");
    EXPECT_EQ(err, "err\n");
    EXPECT_TRUE(wait_event("c1", MonitorEvent::Type::exited));
}

TEST_F(MonitorAttach, input_and_its_end_reach_the_process) {
    auto [ours, theirs] = socket_pair();
    LaunchRequest wanted = interactive("cat; echo done");
    wanted.attachments.push_back(client(std::move(theirs), true));
    wanted.attachments[0].early = "early ";
    run(std::move(wanted));
    write_text(ours.get(), "late");
    ::shutdown(ours.get(), SHUT_WR);
    EXPECT_EQ(unframe(read_until(ours.get())).first, "early latedone\n");
    ASSERT_TRUE(wait_event("c1", MonitorEvent::Type::exited));
}

TEST_F(MonitorAttach, ten_megabytes_through_the_process_and_back_are_equal) {
    auto [ours, theirs] = socket_pair();
    LaunchRequest wanted = interactive("exec cat");
    wanted.attachments.push_back(client(std::move(theirs), true));
    run(std::move(wanted));
    std::string sent;
    for (int i = 0; sent.size() < (10u << 20); ++i) sent += std::to_string(i) + "\n";
    std::thread writer([&, fd = ours.get()] {
        (void)write_all(fd, sent);
        ::shutdown(fd, SHUT_WR);
    });
    std::string got = unframe(read_until(ours.get())).first;
    writer.join();
    EXPECT_TRUE(got == sent) << got.size() << " of " << sent.size();
    ASSERT_TRUE(wait_event("c1", MonitorEvent::Type::exited));
    EXPECT_TRUE(logged("c1") == sent);
}

TEST_F(MonitorAttach, without_stdin_once_the_process_keeps_its_stdin) {
    auto [ours, theirs] = socket_pair();
    LaunchRequest wanted = interactive("while read line; do echo got $line; done");
    wanted.stdin_once = false;
    wanted.attachments.push_back(client(std::move(theirs), true));
    auto monitor = run(std::move(wanted));
    write_text(ours.get(), "one\n");
    EXPECT_EQ(unframe(read_until(ours.get(), 16)).first, "got one\n");
    ::shutdown(ours.get(), SHUT_WR);
    EXPECT_EQ(read_until(ours.get()), "");
    auto [ours2, theirs2] = socket_pair();
    ASSERT_TRUE(monitor->attach(client(std::move(theirs2), true)));
    write_text(ours2.get(), "two\n");
    EXPECT_EQ(unframe(read_until(ours2.get(), 16)).first, "got two\n");
}

TEST_F(MonitorAttach, a_terminal_is_raw_and_can_be_resized_and_left_by_keys) {
    auto [ours, theirs] = socket_pair();
    LaunchRequest wanted = interactive("stty -echo; echo ready; read x; stty size; echo got $x; sleep 100", true);
    wanted.attachments.push_back(client(std::move(theirs), true));
    wanted.attachments[0].detach_keys = "\x10\x11";
    auto monitor = run(std::move(wanted));
    EXPECT_EQ(read_until(ours.get(), 7), "ready\r\n");
    ASSERT_TRUE(monitor->resize("", 33, 101));
    write_text(ours.get(),
               "a\x10"
               "b\n");
    EXPECT_EQ(read_until(ours.get(), 17),
              "33 101\r\ngot a\x10"
              "b\r\n");
    write_text(ours.get(), "\x10");
    write_text(ours.get(), "\x11");
    EXPECT_EQ(read_until(ours.get()), "");
    EXPECT_EQ(::kill(monitor->pid(), 0), 0);
    EXPECT_EQ(logged("c1"),
              "ready\r\n33 101\r\ngot a\x10"
              "b\r\n");
    EXPECT_FALSE(monitor->resize("", -1, 0));
    ASSERT_TRUE(monitor->signal(SIGKILL, true));
    EXPECT_EQ(wait_event("c1", MonitorEvent::Type::exited)->exit_code, 137);
}

TEST_F(MonitorAttach, a_slow_client_holds_the_process_and_one_that_leaves_frees_it) {
    auto [ours, theirs] = socket_pair();
    LaunchRequest wanted = request("c1", "head -c 20000000 /dev/zero; echo end >&2; exec sleep 100");
    wanted.attachments.push_back(client(std::move(theirs)));
    auto monitor = run(std::move(wanted));
    ::usleep(500'000);
    EXPECT_LT(logged("c1").size(), 4'000'000u);
    ours.reset();
    for (int i = 0; i < 500 && logged("c1", 2).empty(); ++i) ::usleep(10'000);
    EXPECT_EQ(logged("c1", 1).size(), 20'000'000u);
    EXPECT_EQ(logged("c1", 2), "end\n");
}

TEST_F(MonitorAttach, a_slow_client_does_not_hold_up_the_end_and_still_gets_everything) {
    auto [ours, theirs] = socket_pair();
    LaunchRequest wanted = request("c1", "head -c 200000 /dev/zero; exit 5");
    wanted.attachments.push_back(client(std::move(theirs)));
    auto monitor = run(std::move(wanted));
    ::usleep(100'000);
    // Enough is read for the process to be able to end.
    std::string got = read_until(ours.get(), 50'000);
    auto event = wait_event("c1", MonitorEvent::Type::exited);
    ASSERT_TRUE(event);
    EXPECT_EQ(event->exit_code, 5);
    monitor->wait_gone();
    got += read_until(ours.get());
    EXPECT_EQ(unframe(got).first.size(), 200'000u);
}

TEST_F(MonitorAttach, several_clients_see_the_same_and_one_may_want_only_stderr) {
    auto a = socket_pair(), b = socket_pair();
    LaunchRequest wanted = request("c1", "for i in 1 2 3 4 5; do echo o$i; echo e$i >&2; done");
    wanted.attachments.push_back(client(std::move(a.theirs)));
    wanted.attachments.push_back(client(std::move(b.theirs)));
    wanted.attachments[1].out = false;
    run(std::move(wanted));
    auto first = unframe(read_until(a.ours.get())), second = unframe(read_until(b.ours.get()));
    EXPECT_EQ(first.first, "o1\no2\no3\no4\no5\n");
    EXPECT_EQ(first.second, "e1\ne2\ne3\ne4\ne5\n");
    EXPECT_EQ(second.first, "");
    EXPECT_EQ(second.second, first.second);
}

TEST_F(MonitorAttach, a_monitor_without_work_uses_no_time) {
    auto [ours, theirs] = socket_pair();
    LaunchRequest wanted = interactive("exec sleep 100");
    wanted.attachments.push_back(client(std::move(theirs), true));
    auto monitor = run(std::move(wanted));
    ::shutdown(ours.get(), SHUT_WR);
    auto ticks = [&] {
        std::string stat = read_file("/proc/" + std::to_string(monitor->monitor_pid()) + "/stat").value();
        std::istringstream rest(stat.substr(stat.rfind(')') + 2));
        std::string word;
        long sum = 0;
        for (int i = 3; rest >> word; ++i)
            if (i == 14 || i == 15) sum += std::stol(word);
        return sum;
    };
    ::usleep(300'000);
    long before = ticks();
    ::usleep(1'000'000);
    EXPECT_LE(ticks() - before, 2);
}

}  // namespace
}  // namespace gantry::monitor_test
