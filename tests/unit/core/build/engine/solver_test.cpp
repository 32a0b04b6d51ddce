#include "core/build/solver.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>

namespace gantry::build {
namespace {

struct Silent : Listener {
    void step(StepId step, StepState state, std::int64_t, const std::string& error) override {
        std::lock_guard lock(mutex);
        events.push_back(std::to_string(step) + " " + std::string(name_of(state)) +
                         (error.empty() ? "" : ": " + error));
    }
    void log(StepId, int, std::string_view) override {}
    void progress(StepId, std::string_view, std::int64_t, std::int64_t) override {}
    std::mutex mutex;
    std::vector<std::string> events;
};

struct Recorder : Worker {
    std::function<Result<Outcome>(StepId)> act = [](StepId) { return Outcome{}; };
    Result<Outcome> run(StepId step, const std::function<const Value&(StepId)>&) override {
        {
            std::lock_guard lock(mutex);
            order.push_back(step);
        }
        return act(step);
    }
    std::mutex mutex;
    std::vector<StepId> order;
};

Step on(std::vector<StepId> inputs) {
    Exec exec;
    if (!inputs.empty()) exec.base = inputs[0];
    for (std::size_t i = 1; i < inputs.size(); ++i) {
        Mount mount;
        mount.from = inputs[i];
        exec.mounts.push_back(mount);
    }
    Step step;
    step.operation = exec;
    return step;
}

TEST(Solver, does_only_what_is_wanted_and_in_order) {
    Graph graph;
    graph.steps = {on({}), on({0}), on({0}), on({1}), on({2, 3})};
    Recorder worker;
    Silent listener;
    Cancel cancel;
    Solved solved = solve(graph, {3}, worker, listener, cancel, 1);
    EXPECT_FALSE(solved.error);
    EXPECT_EQ(worker.order, (std::vector<StepId>{0, 1, 3}));
    EXPECT_TRUE(solved.values[3]);
    EXPECT_FALSE(solved.values[2]);
}

TEST(Solver, works_independent_steps_side_by_side_and_never_more_than_allowed) {
    Graph graph;
    graph.steps = {on({})};
    for (int i = 0; i < 8; ++i) graph.steps.push_back(on({0}));
    graph.steps.push_back(on({1, 2, 3, 4, 5, 6, 7, 8}));
    std::atomic<int> now = 0, most = 0;
    Recorder worker;
    worker.act = [&](StepId) -> Result<Outcome> {
        const int n = ++now;
        int seen = most;
        while (n > seen && !most.compare_exchange_weak(seen, n)) {
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        --now;
        return Outcome{};
    };
    Silent listener;
    Cancel cancel;
    Solved solved = solve(graph, {9}, worker, listener, cancel, 3);
    EXPECT_FALSE(solved.error);
    EXPECT_EQ(worker.order.size(), 10u);
    EXPECT_EQ(most, 3);
}

TEST(Solver, the_first_failure_ends_the_rest) {
    Graph graph;
    graph.steps = {on({}), on({}), on({0, 1}), on({2})};
    Recorder worker;
    Cancel cancel;
    std::atomic<bool> other = false;
    worker.act = [&](StepId step) -> Result<Outcome> {
        if (step == 0) {
            while (!other) std::this_thread::yield();
            return fail(Code::invalid, "broken");
        }
        other = true;
        for (int i = 0; i < 200 && !cancel.cancelled(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(5));
        if (auto go_on = cancel.check(); !go_on) return go_on.error();
        return Outcome{};
    };
    Silent listener;
    Solved solved = solve(graph, {3}, worker, listener, cancel, 2);
    ASSERT_TRUE(solved.error);
    EXPECT_EQ(solved.error->text, "broken");
    EXPECT_EQ(solved.failed, std::optional<StepId>(0));
    EXPECT_EQ(std::count(listener.events.begin(), listener.events.end(), "0 error: broken"), 1);
    EXPECT_EQ(std::count(listener.events.begin(), listener.events.end(), "1 canceled"), 1);
    EXPECT_EQ(worker.order.size(), 2u);
}

TEST(Solver, a_cancelled_build_says_so) {
    Graph graph;
    graph.steps = {on({}), on({0})};
    Recorder worker;
    Cancel cancel;
    worker.act = [&](StepId) -> Result<Outcome> {
        cancel.cancel();
        return cancel.check().error();
    };
    Silent listener;
    Solved solved = solve(graph, {1}, worker, listener, cancel, 2);
    ASSERT_TRUE(solved.error);
    EXPECT_EQ(solved.error->code, Code::cancelled);
    EXPECT_FALSE(solved.failed);
}

TEST(Solver, a_step_that_stands_on_a_later_one_is_refused) {
    Graph graph;
    graph.steps = {on({1}), on({})};
    EXPECT_FALSE(check_graph(graph));
    graph.steps = {on({}), on({0})};
    EXPECT_TRUE(check_graph(graph));
    graph.target.result = 2;
    EXPECT_FALSE(check_graph(graph));
}

TEST(Cancel, a_watch_is_called_at_once_where_it_comes_late_and_never_after_its_end) {
    Cancel cancel;
    int calls = 0;
    {
        Cancel::Watch gone(cancel, [&] { ++calls; });
    }
    cancel.cancel();
    EXPECT_EQ(calls, 0);
    Cancel::Watch late(cancel, [&] { ++calls; });
    EXPECT_EQ(calls, 1);
    cancel.cancel();
    EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace gantry::build
