// Drivers in this process: on the caller's thread (the engine's own), on threads of their own, and inline.
#include "core/driver/loaded.hpp"

#include <fcntl.h>
#include <sched.h>

#include <thread>

#include "core/base/clock.hpp"
#include "core/base/files.hpp"
#include "core/driver/services.hpp"
#include "tests/unit/core/driver/support.hpp"

namespace gantry::driver {
namespace {

using ::testing::HasSubstr;

struct Loaded : Fixture {
    Services services{true};
    std::shared_ptr<Driver> open(const std::string& file, const std::string& name, Threads threads,
                                 const Json& options = Json::object()) {
        auto library = load_library(file);
        if (!library) throw std::runtime_error(library.error().text);
        Json config{{"engine", "test"}, {"root", directory.path()}, {"run", directory.path()}, {"options", options}};
        auto instance = Instance::open(*library, name, config, services.table());
        if (!instance) throw std::runtime_error(instance.error().text);
        return std::make_shared<LoadedDriver>(*instance, threads);
    }
    std::shared_ptr<Driver> misbehaving(Threads threads) {
        return open(good_drivers + "/network-misbehaves.so", "mis", threads);
    }
    std::shared_ptr<Driver> good(Threads threads = Threads::caller) {
        return open(good_drivers + "/network-good.so", "good", threads, {{"mtu", 1400}});
    }
};

// What must hold wherever operations run.
struct LoadedAnywhere : Loaded, ::testing::WithParamInterface<Threads> {
    std::shared_ptr<Driver> driver;
    void SetUp() override {
        REQUIRE_ROOT();
        driver = misbehaving(GetParam());
    }
    std::string refusal(const std::string& what) { return text_of(ask(*driver, what)); }
};
std::string thread_name(const ::testing::TestParamInfo<Threads>& one) {
    return one.param == Threads::caller ? "caller" : one.param == Threads::workers ? "workers" : "caller_only";
}
INSTANTIATE_TEST_SUITE_P(Threads, LoadedAnywhere,
                         ::testing::Values(Threads::caller, Threads::workers, Threads::caller_only), thread_name);

TEST_P(LoadedAnywhere, a_reply_comes_back_as_json) {
    auto reply = ask(*driver, "nothing");
    ASSERT_TRUE(reply) << text_of(reply);
    EXPECT_EQ(reply->result["answer"], "fine");
}

TEST_P(LoadedAnywhere, a_failure_has_the_drivers_code_and_words_on_one_line) {
    auto reply = ask(*driver, "reason");
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().code, Code::busy);
    EXPECT_EQ(reply.error().text, "two lines");
    EXPECT_EQ(reply.error().system_errno, 16);
    EXPECT_EQ(refusal("no_reason"), "driver \"mis\" gave no reason for status 5 of \"ensure\"");
}

TEST_P(LoadedAnywhere, a_reply_that_breaks_the_rules_is_internal_and_names_the_driver) {
    EXPECT_EQ(refusal("not_json"), "driver \"mis\" answered with text that is not JSON (operation \"ensure\")");
    EXPECT_EQ(ask(*driver, "not_json").error().code, Code::internal);
    EXPECT_THAT(refusal("not_object"), HasSubstr("driver \"mis\" answered with a JSON array, not an object"));
    EXPECT_THAT(refusal("unknown_status"), HasSubstr("driver \"mis\" answered with the unknown status 99"));
    EXPECT_THAT(refusal("five_mebibytes"), HasSubstr("driver \"mis\" answered with 5242888 bytes, more than 4194304"));
    UniqueFd fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    auto reply = ask(*driver, "unnamed_fd", 1000, {{"first", fd.get()}});
    EXPECT_THAT(text_of(reply), HasSubstr("1 descriptors, which its \"fds\" does not name"));
}

TEST_P(LoadedAnywhere, a_reply_of_a_mebibyte_is_taken) {
    auto reply = ask(*driver, "one_mebibyte");
    ASSERT_TRUE(reply) << text_of(reply);
    EXPECT_EQ(reply->result["a"].get_ref<const std::string&>().size(), 1u << 20);
}

TEST_P(LoadedAnywhere, a_second_reply_is_dropped) {
    auto reply = ask(*driver, "twice");
    ASSERT_TRUE(reply);
    EXPECT_EQ(reply->result["answer"], 1);
    EXPECT_TRUE(ask(*driver, "nothing"));
}

TEST_P(LoadedAnywhere, descriptors_pass_both_ways) {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    UniqueFd read_end(ends[0]), write_end(ends[1]);
    auto reply = ask(*driver, "echo_fds", 5000, {{"r", read_end.get()}, {"w", write_end.get()}});
    ASSERT_TRUE(reply) << text_of(reply);
    UniqueFd first = reply->take_fd("first"), second = reply->take_fd("second");
    ASSERT_TRUE(first && second);
    EXPECT_FALSE(reply->take_fd("first"));
    EXPECT_FALSE(reply->take_fd("third"));
    EXPECT_TRUE(::fcntl(first.get(), F_GETFD) & FD_CLOEXEC);
    ASSERT_EQ(::write(second.get(), "x", 1), 1);
    char byte = 0;
    EXPECT_EQ(::read(first.get(), &byte, 1), 1);
    EXPECT_EQ(byte, 'x');
}

TEST_P(LoadedAnywhere, an_operation_that_is_not_offered_is_unsupported) {
    auto reply = driver->call("network.stats/1", "stats", Json::object());
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().code, Code::unsupported);
    EXPECT_EQ(driver->call("network/1", "dance", Json::object()).error().code, Code::unsupported);
    EXPECT_FALSE(driver->offers("network.stats/1"));
    EXPECT_TRUE(driver->offers("network/1"));
}

TEST_P(LoadedAnywhere, no_descriptor_is_left_behind) {
    auto count = [] { return list_directory("/proc/self/fd").value().size(); };
    UniqueFd fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    ASSERT_TRUE(ask(*driver, "nothing", 1000, {{"a", fd.get()}}));
    // A worker lets go of the last call's descriptors after its caller has the reply.
    auto settled = [&] {
        ::usleep(20'000);
        return count();
    };
    std::size_t before = settled();
    for (int i = 0; i < 20; ++i) (void)ask(*driver, "echo_fds", 1000, {{"a", fd.get()}, {"b", fd.get()}});
    EXPECT_EQ(settled(), before);
}

TEST_F(Loaded, an_exception_in_an_operation_is_internal_and_names_the_driver) {
    auto driver = good();
    auto reply = driver->call("network/1", "ensure", {{"network", {{"id", "n"}, {"options", {{"throw", "1"}}}}}});
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().code, Code::internal);
    EXPECT_EQ(reply.error().text, "driver \"good\": thrown on purpose");
    reply = driver->call("network/1", "ensure", {{"network", {{"id", "n"}, {"options", {{"throw_int", "1"}}}}}});
    EXPECT_THAT(text_of(reply), HasSubstr("an exception of unknown type"));
}

TEST_F(Loaded, options_reach_the_driver) {
    auto reply = good()->call("network/1", "ensure", {{"network", {{"id", "n"}}}});
    ASSERT_TRUE(reply) << text_of(reply);
    EXPECT_EQ(reply->result["mtu"], 1400);
}

TEST_F(Loaded, a_reply_may_come_from_another_thread) {
    for (Threads threads : {Threads::caller, Threads::workers}) {
        auto reply = ask(*misbehaving(threads), "soon");
        ASSERT_TRUE(reply) << text_of(reply);
        EXPECT_EQ(reply->result["answer"], "from another thread");
    }
}

TEST_F(Loaded, a_call_past_its_deadline_ends_and_its_late_reply_is_dropped) {
    for (Threads threads : {Threads::caller, Threads::workers}) {
        auto driver = misbehaving(threads);
        std::int64_t before = monotonic_ns();
        auto reply = ask(*driver, "late", 100);
        EXPECT_LT(monotonic_ns() - before, 350'000'000);
        ASSERT_FALSE(reply);
        EXPECT_EQ(reply.error().code, Code::deadline);
        EXPECT_EQ(reply.error().text, "driver \"mis\" did not answer \"ensure\" in 100 ms");
        ::usleep(450'000);
        EXPECT_TRUE(ask(*driver, "nothing"));
    }
}

TEST_F(Loaded, a_hanging_operation_costs_its_caller_the_deadline_and_no_more) {
    auto driver = misbehaving(Threads::workers);
    auto reply = ask(*driver, "hang_until_cancelled", 100);
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().code, Code::deadline);
    EXPECT_TRUE(ask(*driver, "nothing"));
}

TEST_F(Loaded, an_own_driver_that_overruns_comes_back_late_with_its_true_answer) {
    auto reply = ask(*misbehaving(Threads::caller), "sleep", 100);
    ASSERT_TRUE(reply) << text_of(reply);
    EXPECT_EQ(reply->result["answer"], "awake");
}

TEST_F(Loaded, three_calls_that_never_end_make_it_unavailable_until_it_is_healthy) {
    auto driver = misbehaving(Threads::workers);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(ask(*driver, "never", 30).error().code, Code::deadline);
    auto reply = ask(*driver, "nothing");
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().code, Code::retry_later);
    EXPECT_THAT(reply.error().text,
                HasSubstr("driver \"mis\" is unavailable: 3 calls passed their deadline and were never answered"));
    EXPECT_THAT(reply.error().text, HasSubstr("its health: feverish"));
    ::setenv("GANTRY_TEST_HEALTHY", "1", 1);
    EXPECT_FALSE(ask(*driver, "nothing"));  // asked again once a second at most
    ::usleep(1'050'000);
    reply = ask(*driver, "nothing");
    ::unsetenv("GANTRY_TEST_HEALTHY");
    EXPECT_TRUE(reply) << text_of(reply);
}

TEST_F(Loaded, calls_that_find_no_free_thread_are_told_so_and_never_run) {
    auto driver = misbehaving(Threads::workers);
    std::vector<std::thread> callers;
    for (int i = 0; i < 8; ++i) callers.emplace_back([&] { (void)ask(*driver, "sleep", 2000); });
    ::usleep(100'000);
    auto reply = ask(*driver, "nothing", 50);
    for (auto& caller : callers) caller.join();
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().code, Code::retry_later);
    EXPECT_THAT(reply.error().text, HasSubstr("found no free thread"));
}

TEST_F(Loaded, calls_run_side_by_side) {
    auto driver = misbehaving(Threads::workers);
    std::int64_t before = monotonic_ns();
    std::vector<std::thread> callers;
    std::atomic<int> good_ones{0};
    for (int i = 0; i < 6; ++i)
        callers.emplace_back([&] {
            if (ask(*driver, "sleep")) ++good_ones;
        });
    for (auto& caller : callers) caller.join();
    EXPECT_EQ(good_ones, 6);
    EXPECT_LT(monotonic_ns() - before, 1'200'000'000);  // one after another: 1.8 s
}

TEST_F(Loaded, inline_calls_make_no_thread_and_want_the_answer_before_the_return) {
    auto driver = misbehaving(Threads::caller_only);
    auto threads = [] { return list_directory("/proc/self/task").value().size(); };
    std::size_t before = threads();
    EXPECT_TRUE(ask(*driver, "nothing"));
    EXPECT_EQ(threads(), before);
    auto reply = ask(*driver, "never");
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().text, "driver \"mis\" returned from \"ensure\" without an answer");
}

TEST_F(Loaded, remaining_time_is_told) {
    auto reply = ask(*misbehaving(Threads::workers), "remaining", 5000);
    ASSERT_TRUE(reply);
    EXPECT_GT(reply->result["ms"], 4000);
    EXPECT_LE(reply->result["ms"], 5000);
}

TEST_F(Loaded, in_netns_runs_inside_the_namespace_and_leaves_no_thread_in_it) {
    auto driver = misbehaving(Threads::caller);
    UniqueFd netns;
    std::thread([&] {
        if (::unshare(CLONE_NEWNET) == 0) netns.reset(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    }).join();
    if (!netns) GTEST_SKIP() << "cannot make a network namespace";
    struct stat inside {
    }, before{}, after{};
    ASSERT_EQ(::fstat(netns.get(), &inside), 0);
    ASSERT_EQ(::stat("/proc/thread-self/ns/net", &before), 0);
    auto reply = ask(*driver, "netns", 5000, {{"netns", netns.get()}});
    ASSERT_TRUE(reply) << text_of(reply);
    EXPECT_EQ(reply->result["status"], GANTRY_OK);
    EXPECT_EQ(reply->result["result"], 7);
    EXPECT_EQ(reply->result["inode"].get<ino_t>(), inside.st_ino);
    ASSERT_EQ(::stat("/proc/thread-self/ns/net", &after), 0);
    EXPECT_EQ(after.st_ino, before.st_ino);

    UniqueFd no_namespace(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    EXPECT_EQ(ask(*driver, "netns", 5000, {{"netns", no_namespace.get()}})->result["status"], GANTRY_INVALID);
}

TEST_F(Loaded, in_netns_is_unsupported_where_no_thread_may_be_made) {
    Services single(false);
    auto library = load_library(good_drivers + "/network-misbehaves.so");
    ASSERT_TRUE(library);
    auto instance = Instance::open(*library, "mis", {{"options", Json::object()}}, single.table());
    ASSERT_TRUE(instance) << text_of(instance);
    LoadedDriver driver(*instance, Threads::caller_only);
    UniqueFd fd(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    EXPECT_EQ(ask(driver, "netns", 1000, {{"netns", fd.get()}})->result["status"], GANTRY_UNSUPPORTED);
}

TEST_F(Loaded, spawn_goes_to_the_spawner_and_without_one_is_unsupported) {
    auto driver = misbehaving(Threads::caller);
    EXPECT_EQ(ask(*driver, "spawn")->result["status"], GANTRY_UNSUPPORTED);
    std::vector<std::string> seen, environment;
    services.set_spawner([&](const std::vector<std::string>& argv, const std::vector<std::string>& env, const int[3],
                             int) -> Result<int> {
        seen = argv;
        environment = env;
        return 3;
    });
    auto reply = ask(*driver, "spawn");
    ASSERT_TRUE(reply);
    EXPECT_EQ(reply->result["status"], GANTRY_OK);
    EXPECT_EQ(reply->result["exit"], 3);
    EXPECT_EQ(seen, (std::vector<std::string>{"/bin/echo", "hello"}));
    EXPECT_EQ(environment, std::vector<std::string>{"A=b"});
}

TEST_F(Loaded, events_go_to_the_handler) {
    std::string from, id;
    services.set_event_handler([&](const std::string& driver, const Json& event) {
        from = driver;
        id = event.value("id", "");
    });
    ASSERT_TRUE(ask(*misbehaving(Threads::caller), "event"));
    EXPECT_EQ(from, "mis");
    EXPECT_EQ(id, "e1");
}

TEST(ParseSpawn, wants_an_absolute_program_and_clean_text) {
    EXPECT_TRUE(parse_spawn({{"argv", {"/bin/true"}}}, 1000));
    EXPECT_FALSE(parse_spawn({{"argv", {"true"}}}, 1000));
    EXPECT_FALSE(parse_spawn({{"argv", Json::array()}}, 1000));
    EXPECT_FALSE(parse_spawn({{"argv", {"/bin/true", 1}}}, 1000));
    EXPECT_FALSE(parse_spawn({{"argv", {"/bin/true"}}, {"env", {{"A=B", "c"}}}}, 1000));
    EXPECT_FALSE(parse_spawn({{"argv", {std::string("/bin/true\0x", 11)}}}, 1000));
    EXPECT_FALSE(parse_spawn({{"argv", {"/bin/true", std::string(200'000, 'x')}}}, 1000));
    EXPECT_EQ(parse_spawn({{"argv", {"/bin/true"}}, {"cwd", "/tmp"}}, 1000).error().code, Code::unsupported);
}

}  // namespace
}  // namespace gantry::driver
