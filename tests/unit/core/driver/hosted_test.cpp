// Drivers in a process of their own: what a crash, a hang or a kill costs, and what passes between the processes.
#include "core/driver/hosted.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include <thread>

#include "core/base/clock.hpp"
#include "core/base/files.hpp"
#include "tests/unit/core/driver/support.hpp"

namespace gantry::driver {
namespace {

using ::testing::HasSubstr;

struct Hosted : Fixture {
    std::unique_ptr<Registry> registry;
    std::shared_ptr<Driver> driver;
    void SetUp() override {
        REQUIRE_ROOT();
        registry = std::make_unique<Registry>(settings());
        auto found = registry->get(Kind::network, "misbehaves");
        ASSERT_TRUE(found) << text_of(found);
        driver = *found;
    }
    int pid() { return dynamic_cast<HostedDriver&>(*driver).pid(); }
    static bool alive(int process) { return ::kill(process, 0) == 0; }
};

TEST_F(Hosted, a_strangers_driver_runs_in_a_process_of_its_own) {
    auto reply = ask(*driver, "pid");
    ASSERT_TRUE(reply) << text_of(reply);
    EXPECT_NE(reply->result["pid"], ::getpid());
    EXPECT_EQ(reply->result["pid"], pid());
    EXPECT_EQ(driver->description()["summary"], "misbehaves when asked to");
    EXPECT_EQ(driver->kind(), Kind::network);
    EXPECT_TRUE(driver->offers("network/1"));
    EXPECT_FALSE(driver->offers("network.expose/1"));
}

TEST_F(Hosted, its_process_is_confined) {
    std::string status = read_file("/proc/" + std::to_string(pid()) + "/status").value();
    EXPECT_THAT(status, HasSubstr("NoNewPrivs:\t1"));
    EXPECT_THAT(read_file("/proc/" + std::to_string(pid()) + "/limits").value(),
                HasSubstr("Max core file size        0"));
    // Standard streams and the socket, and nothing of ours.
    EXPECT_LE(list_directory("/proc/" + std::to_string(pid()) + "/fd").value().size(), 4u);
}

TEST_F(Hosted, a_crash_fails_its_call_by_name_and_the_next_one_works) {
    for (auto [what, signal] : {std::pair{"abort", SIGABRT}, {"crash", SIGSEGV}}) {
        auto reply = ask(*driver, what);
        ASSERT_FALSE(reply);
        EXPECT_EQ(reply.error().code, Code::internal);
        EXPECT_EQ(reply.error().text, "driver \"misbehaves\": its process ended by signal " + std::to_string(signal) +
                                          " during \"ensure\"");
        auto next = ask(*driver, "nothing");
        EXPECT_TRUE(next) << text_of(next);
    }
}

TEST_F(Hosted, kill_9_in_the_middle_of_a_call_costs_that_call_only) {
    std::thread killer([&] {
        ::usleep(100'000);
        ::kill(pid(), SIGKILL);
    });
    auto reply = ask(*driver, "hang");
    killer.join();
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().text, "driver \"misbehaves\": its process ended by signal 9 during \"ensure\"");
    auto next = ask(*driver, "nothing");
    EXPECT_TRUE(next) << text_of(next);
}

TEST_F(Hosted, kill_9_between_calls_is_not_noticed) {
    int first = pid();
    ::kill(first, SIGKILL);
    while (pid() == first) ::usleep(1000);
    auto reply = ask(*driver, "nothing");
    ASSERT_TRUE(reply) << text_of(reply);
    EXPECT_NE(pid(), first);
}

TEST_F(Hosted, a_hang_costs_its_deadline_and_then_its_process) {
    int first = pid();
    std::int64_t before = monotonic_ns();
    auto reply = ask(*driver, "hang", 150);
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().code, Code::deadline);
    EXPECT_EQ(reply.error().text, "driver \"misbehaves\" did not answer \"ensure\" in 150 ms");
    EXPECT_LT(monotonic_ns() - before, 300'000'000);
    // A call made in the grace dies with the process and says of which one.
    auto other = ask(*driver, "hang", 3000);
    ASSERT_FALSE(other);
    EXPECT_EQ(other.error().text,
              "driver \"misbehaves\": its process was killed (\"ensure\" passed its deadline and did not end within "
              "200 ms of being cancelled) during \"ensure\"");
    EXPECT_FALSE(alive(first));
    EXPECT_TRUE(ask(*driver, "nothing"));
}

TEST_F(Hosted, a_call_that_heeds_its_cancellation_keeps_its_process) {
    int first = pid();
    EXPECT_EQ(ask(*driver, "hang_until_cancelled", 100).error().code, Code::deadline);
    ::usleep(400'000);
    EXPECT_TRUE(ask(*driver, "nothing"));
    EXPECT_EQ(pid(), first);
}

TEST_F(Hosted, a_stopped_process_is_found_out_and_replaced) {
    int first = pid();
    ::kill(first, SIGSTOP);
    EXPECT_EQ(ask(*driver, "nothing", 100).error().code, Code::deadline);
    auto next = ask(*driver, "nothing");  // waits in the stopped process, dies with it
    EXPECT_FALSE(next);
    next = ask(*driver, "nothing");
    EXPECT_TRUE(next) << text_of(next);
    EXPECT_NE(pid(), first);
}

TEST_F(Hosted, many_calls_at_once_get_each_its_own_answer) {
    std::vector<std::thread> callers;
    std::atomic<int> good_ones{0};
    for (int i = 0; i < 8; ++i)
        callers.emplace_back([&] {
            for (int j = 0; j < 50; ++j) {
                if (auto reply = ask(*driver, "nothing"); reply && reply->result["answer"] == "fine") ++good_ones;
                if (auto reply = ask(*driver, "reason"); !reply && reply.error().text == "two lines") ++good_ones;
            }
        });
    for (auto& caller : callers) caller.join();
    EXPECT_EQ(good_ones, 800);
}

TEST_F(Hosted, descriptors_pass_both_ways_and_none_is_left) {
    auto count = [](int process) { return list_directory("/proc/" + std::to_string(process) + "/fd").value().size(); };
    ASSERT_TRUE(ask(*driver, "nothing"));
    std::size_t here = count(::getpid()), there = count(pid());
    for (int i = 0; i < 5; ++i) {
        int ends[2];
        ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
        UniqueFd read_end(ends[0]), write_end(ends[1]);
        auto reply = ask(*driver, "echo_fds", 5000, {{"r", read_end.get()}, {"w", write_end.get()}});
        ASSERT_TRUE(reply) << text_of(reply);
        UniqueFd first = reply->take_fd("first"), second = reply->take_fd("second");
        ASSERT_EQ(::write(second.get(), "x", 1), 1);
        char byte = 0;
        EXPECT_EQ(::read(first.get(), &byte, 1), 1);
        EXPECT_TRUE(::fcntl(first.get(), F_GETFD) & FD_CLOEXEC);
    }
    ::usleep(50'000);
    EXPECT_EQ(count(::getpid()), here);
    EXPECT_EQ(count(pid()), there);
}

TEST_F(Hosted, large_requests_and_replies_pass) {
    auto reply = ask(*driver, "one_mebibyte");
    ASSERT_TRUE(reply) << text_of(reply);
    EXPECT_EQ(reply->result["a"].get_ref<const std::string&>().size(), 1u << 20);
    reply = driver->call("network/1", "ensure", {{"padding", std::string(1 << 20, 'y')}, {"do", "nothing"}});
    EXPECT_TRUE(reply) << text_of(reply);
}

TEST_F(Hosted, a_reply_that_breaks_the_rules_is_internal_and_names_the_driver) {
    EXPECT_EQ(text_of(ask(*driver, "not_json")),
              "driver \"misbehaves\" answered with text that is not JSON (operation \"ensure\")");
    EXPECT_THAT(text_of(ask(*driver, "not_object")), HasSubstr("driver \"misbehaves\" answered with a JSON array"));
    EXPECT_THAT(text_of(ask(*driver, "five_mebibytes")),
                HasSubstr("driver \"misbehaves\" answered with 5242888 bytes"));
    EXPECT_THAT(text_of(ask(*driver, "unknown_status")), HasSubstr("the unknown status 99"));
    auto twice = ask(*driver, "twice");
    ASSERT_TRUE(twice);
    EXPECT_EQ(twice->result["answer"], 1);
    EXPECT_TRUE(ask(*driver, "nothing"));
}

TEST_F(Hosted, what_the_driver_asks_of_the_engine_comes_to_the_engine) {
    EXPECT_EQ(ask(*driver, "spawn")->result["status"], GANTRY_UNSUPPORTED);
    registry->set_spawner([](const std::vector<std::string>& argv, const std::vector<std::string>&, const int fds[3],
                             int) -> Result<int> {
        std::string text = argv.at(1);
        return ::write(fds[1], text.data(), text.size()) == static_cast<ssize_t>(text.size()) && fds[0] == -1 ? 5 : 6;
    });
    std::atomic<bool> came{false};
    registry->set_event_handler([&](const std::string& from, const Json& event) {
        came = from == "misbehaves" && event.value("id", "") == "e1";
    });
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    UniqueFd read_end(ends[0]), write_end(ends[1]);
    auto reply = ask(*driver, "spawn", 5000, {{"out", write_end.get()}});
    ASSERT_TRUE(reply) << text_of(reply);
    EXPECT_EQ(reply->result["status"], GANTRY_OK);
    EXPECT_EQ(reply->result["exit"], 5);
    write_end.reset();
    EXPECT_EQ(read_all(read_end.get()).value(), "hello");
    ASSERT_TRUE(ask(*driver, "event"));
    ASSERT_TRUE(ask(*driver, "log"));
    for (int i = 0; i < 100 && !came; ++i) ::usleep(1000);
    EXPECT_TRUE(came);
}

TEST_F(Hosted, in_netns_works_in_its_process) {
    UniqueFd netns(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    struct stat info {};
    ASSERT_EQ(::fstat(netns.get(), &info), 0);
    auto reply = ask(*driver, "netns", 5000, {{"netns", netns.get()}});
    ASSERT_TRUE(reply) << text_of(reply);
    EXPECT_EQ(reply->result["status"], GANTRY_OK);
    EXPECT_EQ(reply->result["inode"].get<ino_t>(), info.st_ino);
}

TEST_F(Hosted, its_process_ends_with_it) {
    int first = pid();
    driver.reset();
    registry.reset();
    EXPECT_FALSE(alive(first));
}

TEST_F(Hosted, a_crash_in_open_is_refused_by_name) {
    Settings s = settings();
    s.drivers[1].options = {{"crash_in_open", true}};
    Registry other(s);
    auto refused = other.get(Kind::network, "misbehaves");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().text, "driver \"misbehaves\": its process ended by signal 6 during \"open\"");
}

TEST_F(Hosted, a_process_that_cannot_be_started_again_is_waited_for_and_then_named) {
    Settings s = settings();
    // The host program goes away after the first start.
    s.host_program = directory.copy(GANTRY_DRIVER_HOST, "host");
    Registry other(s);
    auto found = other.get(Kind::network, "misbehaves");
    ASSERT_TRUE(found) << text_of(found);
    std::filesystem::remove(s.host_program);
    ASSERT_FALSE(ask(**found, "abort"));
    auto reply = ask(**found, "nothing", 200);
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().code, Code::retry_later);
    EXPECT_THAT(reply.error().text, HasSubstr("driver \"misbehaves\" is not running"));
    std::filesystem::copy_file(GANTRY_DRIVER_HOST, s.host_program);
    reply = ask(**found, "nothing");
    EXPECT_TRUE(reply) << text_of(reply);
}

}  // namespace
}  // namespace gantry::driver
