#include "core/buildkit/progress.hpp"

#include <gtest/gtest.h>

namespace gantry::buildkit {
namespace {

class ProgressTest : public ::testing::Test {
protected:
    template <typename T>
    T only(const std::vector<Event>& events) {
        EXPECT_EQ(events.size(), 1u);
        if (events.empty() || !std::holds_alternative<T>(events[0])) {
            ADD_FAILURE() << "another event";
            return T{};
        }
        return std::get<T>(events[0]);
    }
    std::vector<Event> step(int number, const char* state, std::int64_t now, const char* error = "") {
        return progress_.take({{"type", "step"},
                               {"step", number},
                               {"name", "[1/2] RUN x"},
                               {"state", state},
                               {"ms", 1},
                               {"error", error}},
                              "", now);
    }
    Progress progress_{std::string(64, 'a')};
};

TEST_F(ProgressTest, AStepBeginsAndEnds) {
    const auto begun = only<VertexEvent>(step(1, "started", 10));
    EXPECT_EQ(begun.name, "[1/2] RUN x");
    EXPECT_EQ(begun.digest, "sha256:" + std::string(48, 'a') + "0000000000000001");
    EXPECT_EQ(begun.started_ns, 10);
    EXPECT_EQ(begun.completed_ns, 0);
    const auto ended = only<VertexEvent>(step(1, "done", 20));
    EXPECT_EQ(ended.digest, begun.digest);
    EXPECT_EQ(ended.started_ns, 10);
    EXPECT_EQ(ended.completed_ns, 20);
    EXPECT_EQ(ended.error, "");
    EXPECT_FALSE(ended.cached);
}

TEST_F(ProgressTest, HowAStepEndedIsTold) {
    const auto cached = only<VertexEvent>(step(1, "cached", 10));
    EXPECT_TRUE(cached.cached);
    EXPECT_EQ(cached.started_ns, 10);
    step(2, "started", 10);
    EXPECT_EQ(only<VertexEvent>(step(2, "error", 11, "exit code: 3")).error, "exit code: 3");
    step(3, "started", 10);
    EXPECT_EQ(only<VertexEvent>(step(3, "canceled", 11)).error, "context canceled");
}

TEST_F(ProgressTest, LogsAreOfAStepThatIsKnown) {
    EXPECT_TRUE(progress_.take({{"type", "log"}, {"step", 1}, {"stream", 2}}, "x", 10).empty());
    step(1, "started", 10);
    const auto log =
        only<LogEvent>(progress_.take({{"type", "log"}, {"step", 1}, {"stream", 2}}, std::string_view("a\0b", 3), 11));
    EXPECT_EQ(log.stream, 2);
    EXPECT_EQ(log.bytes, std::string("a\0b", 3));
}

TEST_F(ProgressTest, APartEndsWithItsLastByteOrWithItsStep) {
    step(1, "started", 10);
    auto part = [&](const char* what, int current, int now) {
        return only<StatusEvent>(progress_.take(
            {{"type", "progress"}, {"step", 1}, {"what", what}, {"current", current}, {"total", 9}}, "", now));
    };
    EXPECT_EQ(part("layer a", 3, 11).completed_ns, 0);
    const auto whole = part("layer a", 9, 12);
    EXPECT_EQ(whole.started_ns, 11);
    EXPECT_EQ(whole.completed_ns, 12);
    part("layer b", 3, 13);
    const auto events = step(1, "done", 14);
    ASSERT_EQ(events.size(), 2u);
    EXPECT_EQ(std::get<StatusEvent>(events[0]).id, "layer b");
    EXPECT_EQ(std::get<StatusEvent>(events[0]).completed_ns, 14);
}

TEST_F(ProgressTest, WhatHasBegunEndsWithTheBuild) {
    step(1, "started", 10);
    step(2, "started", 10);
    step(2, "done", 11);
    const auto open = only<VertexEvent>(progress_.finish("context canceled", 12));
    EXPECT_EQ(open.error, "context canceled");
    EXPECT_TRUE(progress_.finish("", 13).empty());
}

TEST_F(ProgressTest, FramesOfNoKnownShapeSayNothing) {
    EXPECT_TRUE(progress_.take({{"type", "done"}}, "", 1).empty());
    EXPECT_TRUE(progress_.take({{"type", 5}}, "", 1).empty());
    EXPECT_TRUE(progress_.take(Json::object(), "", 1).empty());
    EXPECT_EQ(
        only<WarningEvent>(
            progress_.take({{"type", "warning"}, {"rule", "R"}, {"message", "m"}, {"first", 3}, {"last", 4}}, "", 1))
            .first,
        3);
}

}  // namespace
}  // namespace gantry::buildkit
