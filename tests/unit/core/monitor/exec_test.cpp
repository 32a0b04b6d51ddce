#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fixture.hpp"

namespace gantry::monitor_test {
namespace {

class MonitorExec : public MonitorTest {};

TEST_F(MonitorExec, its_output_is_complete_before_its_end_is_told) {
    auto monitor = run(request("c1", "exec sleep 100"));
    auto [ours, theirs] = socket_pair();
    Monitor::Attachment attachment;
    attachment.client = std::move(theirs);
    attachment.in = true;
    auto pid = monitor->exec("e1", process("cat; echo oops >&2; exit 12"), false, "", std::move(attachment));
    ASSERT_TRUE(pid) << pid.error().text;
    EXPECT_GT(*pid, 0);
    write_text(ours.get(), "hello");
    ::shutdown(ours.get(), SHUT_WR);
    auto [out, err] = unframe(read_until(ours.get()));
    EXPECT_EQ(out, "hello");
    EXPECT_EQ(err, "oops\n");
    auto event = wait_event("c1", MonitorEvent::Type::exec_exited);
    ASSERT_TRUE(event);
    EXPECT_EQ(event->exec_id, "e1");
    EXPECT_EQ(event->exit_code, 12);
    EXPECT_EQ(logged("c1"), "");
}

TEST_F(MonitorExec, with_a_terminal_it_is_raw_and_has_a_size) {
    auto monitor = run(request("c1", "exec sleep 100"));
    auto [ours, theirs] = socket_pair();
    Monitor::Attachment attachment;
    attachment.client = std::move(theirs);
    attachment.in = true;
    ASSERT_TRUE(
        monitor->exec("e1", process("stty -echo; echo go; read x; stty size"), true, "", std::move(attachment)));
    EXPECT_EQ(read_until(ours.get(), 4), "go\r\n");
    ASSERT_TRUE(monitor->resize("e1", 20, 30));
    write_text(ours.get(), "\n");
    EXPECT_EQ(read_until(ours.get()), "20 30\r\n");
    EXPECT_EQ(wait_event("c1", MonitorEvent::Type::exec_exited)->exit_code, 0);
    EXPECT_EQ(monitor->resize("e1", 20, 30).error().code, Code::not_found);
}

TEST_F(MonitorExec, its_client_sees_the_end_only_when_the_engine_knows_the_exit_code) {
    auto monitor = run(request("c1", "exec sleep 100"));
    event_delay_ms_ = 100;
    for (bool terminal : {false, true}) {
        auto [ours, theirs] = socket_pair();
        Monitor::Attachment attachment;
        attachment.client = std::move(theirs);
        std::string id = terminal ? "e2" : "e1";
        ASSERT_TRUE(monitor->exec(id, process("exit 9"), terminal, "", std::move(attachment)));
        EXPECT_EQ(read_until(ours.get()), "");
        auto event = wait_event("c1", MonitorEvent::Type::exec_exited, 0);
        ASSERT_TRUE(event);
        EXPECT_EQ(event->exec_id, id);
        EXPECT_EQ(event->exit_code, 9);
    }
}

TEST_F(MonitorExec, its_client_knows_too_when_the_container_ends) {
    auto monitor = run(request("c1", "exec sleep 100"));
    auto [ours, theirs] = socket_pair();
    Monitor::Attachment attachment;
    attachment.client = std::move(theirs);
    ASSERT_TRUE(monitor->exec("e1", process("exec sleep 100"), false, "", std::move(attachment)));
    event_delay_ms_ = 100;
    ASSERT_TRUE(monitor->signal(SIGKILL, false));
    EXPECT_EQ(read_until(ours.get()), "");
    auto event = wait_event("c1", MonitorEvent::Type::exec_exited, 0);
    ASSERT_TRUE(event);
    EXPECT_EQ(event->exit_code, 137);
}

TEST_F(MonitorExec, an_engine_that_has_gone_holds_no_client) {
    auto monitor = run(request("c1", "exec sleep 100"));
    auto [ours, theirs] = socket_pair();
    Monitor::Attachment attachment;
    attachment.client = std::move(theirs);
    ASSERT_TRUE(monitor->exec("e1", process("sleep 0.2; echo end"), false, "", std::move(attachment)));
    const int monitor_pid = monitor->monitor_pid(), pid = monitor->pid();
    monitors_.clear();
    monitor.reset();
    EXPECT_EQ(unframe(read_until(ours.get())).first, "end\n");
    ::kill(monitor_pid, SIGKILL);
    ::kill(pid, SIGKILL);
}

TEST_F(MonitorExec, without_a_client_its_output_is_discarded) {
    auto monitor = run(request("c1", "exec sleep 100"));
    ASSERT_TRUE(monitor->exec("e1", process("head -c 5000000 /dev/zero; exit 6"), false, "", {}));
    EXPECT_EQ(wait_event("c1", MonitorEvent::Type::exec_exited)->exit_code, 6);
}

TEST_F(MonitorExec, pipes_of_the_caller_become_its_own) {
    auto monitor = run(request("c1", "exec sleep 100"));
    auto out = pipe_pair(), in = pipe_pair();
    Monitor::Attachment attachment;
    attachment.raw.push_back(std::move(in.ours));
    attachment.raw.push_back(std::move(out.theirs));
    ASSERT_TRUE(monitor->exec("e1", process("cat"), false, "", std::move(attachment)));
    ASSERT_EQ(::write(in.theirs.get(), "abc", 3), 3);
    in.theirs.reset();
    EXPECT_EQ(read_until(out.ours.get()), "abc");
    EXPECT_EQ(wait_event("c1", MonitorEvent::Type::exec_exited)->exit_code, 0);
}

TEST_F(MonitorExec, a_program_that_is_not_there_is_an_error_and_no_event) {
    auto monitor = run(request("c1", "exec sleep 100"));
    auto failed = monitor->exec("e1", Json{{"args", {"/no/such"}}}, false, "", {});
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code, Code::not_found);
    EXPECT_FALSE(wait_event("c1", MonitorEvent::Type::exec_exited, 200));
}

TEST_F(MonitorExec, ends_with_its_container) {
    auto monitor = run(request("c1", "exec sleep 100"));
    ASSERT_TRUE(monitor->exec("e1", process("exec sleep 100"), false, "", {}));
    ASSERT_TRUE(monitor->signal(SIGKILL, false));
    ASSERT_TRUE(wait_event("c1", MonitorEvent::Type::exited));
    EXPECT_EQ(wait_event("c1", MonitorEvent::Type::exec_exited)->exit_code, 137);
    monitor->wait_gone();
    EXPECT_EQ(monitor->exec("e2", process("true"), false, "", {}).error().code, Code::not_found);
}

TEST_F(MonitorExec, a_process_it_leaves_behind_does_not_hold_its_end) {
    auto monitor = run(request("c1", "exec sleep 100"));
    auto [ours, theirs] = socket_pair();
    Monitor::Attachment attachment;
    attachment.client = std::move(theirs);
    ASSERT_TRUE(monitor->exec("e1", process("sleep 50 & echo left"), false, "", std::move(attachment)));
    EXPECT_EQ(unframe(read_until(ours.get())).first, "left\n");
    EXPECT_EQ(wait_event("c1", MonitorEvent::Type::exec_exited)->exit_code, 0);
}

TEST_F(MonitorExec, a_hundred_at_once_each_have_their_output) {
    auto monitor = run(request("c1", "exec sleep 100"));
    std::vector<UniqueFd> clients;
    for (int i = 0; i < 100; ++i) {
        auto [ours, theirs] = socket_pair();
        Monitor::Attachment attachment;
        attachment.client = std::move(theirs);
        ASSERT_TRUE(monitor->exec("e" + std::to_string(i), process("echo " + std::to_string(i)), false, "",
                                  std::move(attachment)));
        clients.push_back(std::move(ours));
    }
    for (int i = 0; i < 100; ++i)
        EXPECT_EQ(unframe(read_until(clients[static_cast<std::size_t>(i)].get())).first, std::to_string(i) + "\n");
}

}  // namespace
}  // namespace gantry::monitor_test
