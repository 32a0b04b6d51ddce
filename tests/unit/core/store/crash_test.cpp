// What was answered survives SIGKILL at any instant; what was not is wholly there or wholly gone.
#include <gtest/gtest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "core/base/failpoint.hpp"
#include "core/store/store.hpp"
#include "tests/unit/core/store/scratch.hpp"

using namespace gantry;
using namespace gantry::store;
using gantry::test::Scratch;

namespace {

// Runs `work` in a child that is expected to die by SIGKILL.
template <typename F>
void expect_killed(F work) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        work();
        ::_exit(0);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child was not killed";
    EXPECT_EQ(WTERMSIG(status), SIGKILL);
}

Result<void> put_pair(Store& store, const std::string& id) {
    return store.transact([&]() -> Result<void> {
        GANTRY_CHECK(store.put("left", {id, "", 0, Json::object()}));
        return store.put("right", {id, "", 0, Json::object()});
    });
}

}  // namespace

TEST(StoreCrash, keeps_everything_it_answered_when_killed_at_a_random_instant) {
    Scratch scratch;
    for (int round = 0; round < 5; ++round) {
        int answered[2];
        ASSERT_EQ(::pipe2(answered, O_CLOEXEC), 0);
        const pid_t child = ::fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            auto store = Store::open(scratch / "store.db");
            if (!store) ::_exit(1);
            for (int i = 0;; ++i) {
                if (!put_pair(**store, std::to_string(round) + "-" + std::to_string(i))) ::_exit(2);
                if (::write(answered[1], &i, sizeof i) != sizeof i) ::_exit(3);
            }
        }
        ::close(answered[1]);
        ::usleep(static_cast<useconds_t>(20'000 + round * 7'000));
        ::kill(child, SIGKILL);
        int status = 0;
        ASSERT_EQ(::waitpid(child, &status, 0), child);
        ASSERT_TRUE(WIFSIGNALED(status)) << "child ended by itself with " << WEXITSTATUS(status);
        int last = -1, number = 0;
        while (::read(answered[0], &number, sizeof number) == sizeof number) last = number;
        ::close(answered[0]);

        std::string reason;
        auto store = Store::open(scratch / "store.db", &reason);
        ASSERT_TRUE(store) << store.error().text;
        EXPECT_EQ(reason, "");
        for (int i = 0; i <= last; ++i)
            ASSERT_TRUE(*(*store)->get("right", std::to_string(round) + "-" + std::to_string(i)))
                << i << " of " << last;
        EXPECT_EQ((*store)->list("left")->size(), (*store)->list("right")->size());
    }
}

TEST(StoreCrash, has_nothing_of_a_transaction_killed_before_its_commit_and_all_after) {
#ifndef GANTRY_FAILPOINTS
    GTEST_SKIP() << "failpoints are not compiled in";
#endif
    Scratch scratch;
    for (const char* step : {"store.before_commit", "store.after_commit"}) {
        expect_killed([&] {
            auto store = Store::open(scratch / "store.db");
            if (!store) ::_exit(1);
            ::setenv("GANTRY_FAILPOINT", (std::string(step) + "=kill").c_str(), 1);
            (void)put_pair(**store, step);
        });
    }
    auto store = Store::open(scratch / "store.db");
    ASSERT_TRUE(store);
    EXPECT_FALSE(*(*store)->get("left", "store.before_commit"));
    EXPECT_FALSE(*(*store)->get("right", "store.before_commit"));
    EXPECT_TRUE(*(*store)->get("left", "store.after_commit"));
    EXPECT_TRUE(*(*store)->get("right", "store.after_commit"));
}
