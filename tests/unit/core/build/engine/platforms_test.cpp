#include "core/build/platforms.hpp"

#include <gtest/gtest.h>

#include "core/build/outputs.hpp"

namespace gantry::build {
namespace {

Platform platform(const char* architecture) { return {"linux", architecture, ""}; }

// A context, a stage on the machine that builds, and one step for the target.
Graph planned(const char* architecture, const char* argument) {
    Graph graph;
    graph.steps.push_back({ContextSource{"context", {"a"}, {}}, "load", "", {1, 1}, false, platform("amd64")});
    Exec compile;
    compile.argv = {"make", argument};
    compile.mounts.emplace_back();
    compile.mounts[0].from = 0;
    graph.steps.push_back({compile, "[linux/amd64 build 1/1] RUN make", "build", {2, 2}, false, platform("amd64")});
    FileChange copy;
    CopyAction action;
    action.from = 1;
    action.sources = {"out"};
    copy.actions.emplace_back(action);
    graph.steps.push_back({copy,
                           std::string("[linux/") + architecture + " 1/1] COPY out /",
                           "last",
                           {4, 4},
                           false,
                           platform(architecture)});
    graph.target.result = 2;
    graph.target.layer_steps = {2};
    graph.target.platform = platform(architecture);
    graph.warnings = {{"Rule", "the same", {2, 2}}, {"Rule", architecture, {4, 4}}};
    return graph;
}

}  // namespace

TEST(Platforms, count_once_whatever_they_are_called) {
    auto read = parse_platforms({"linux/amd64", "linux/arm64", "linux/x86_64", "linux/arm64/v8", "linux/arm/v7"});
    ASSERT_TRUE(read) << read.error().text;
    std::vector<std::string> texts;
    for (const Platform& one : *read) texts.push_back(one.text());
    EXPECT_EQ(texts, (std::vector<std::string>{"linux/amd64", "linux/arm64", "linux/arm/v7"}));
    EXPECT_TRUE(parse_platforms({})->empty());
}

TEST(Platforms, of_a_wrong_form_or_too_many_are_refused) {
    for (const char* text : {"x", "linux/", "linux//v8", "linux/a/b/c", "linux/amd64,linux/arm64", "linux/a b", ""}) {
        auto read = parse_platforms({"linux/amd64", text});
        ASSERT_FALSE(read) << text;
        EXPECT_EQ(read.error().code, Code::invalid) << text;
    }
    EXPECT_EQ(parse_platforms({"windows/amd64"}).error().code, Code::unsupported);
    std::vector<std::string> many;
    for (std::size_t i = 0; i < most_platforms; ++i) many.push_back("linux/amd64/v" + std::to_string(i + 10));
    EXPECT_TRUE(parse_platforms(many));
    many.push_back(many.front());
    EXPECT_TRUE(parse_platforms(many));
    many.push_back("linux/arm64");
    auto read = parse_platforms(many);
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code, Code::exhausted);
    EXPECT_NE(read.error().text.find("32"), std::string::npos) << read.error().text;
}

TEST(Platforms, share_the_steps_that_are_the_same) {
    Graph graph = join_graphs({planned("amd64", "all"), planned("arm64", "all")});
    ASSERT_EQ(graph.steps.size(), 4u);
    ASSERT_EQ(graph.more.size(), 1u);
    EXPECT_TRUE(check_graph(graph));
    EXPECT_EQ(graph.target.result, StepId{2});
    EXPECT_EQ(graph.more[0].result, StepId{3});
    EXPECT_EQ(graph.more[0].layer_steps, std::vector<StepId>{3});
    EXPECT_EQ(inputs_of(graph.steps[3]), std::vector<StepId>{1});
    EXPECT_EQ(graph.warnings.size(), 3u);
    EXPECT_EQ(platforms_of(graph, 1), "linux/amd64, linux/arm64");
    EXPECT_EQ(platforms_of(graph, 3), "linux/arm64");
}

TEST(Platforms, have_steps_of_their_own_where_something_differs) {
    Graph graph = join_graphs({planned("amd64", "for-amd64"), planned("arm64", "for-arm64")});
    ASSERT_EQ(graph.steps.size(), 5u);
    EXPECT_TRUE(check_graph(graph));
    EXPECT_EQ(inputs_of(graph.steps[graph.more[0].result.value()]), std::vector<StepId>{3});
    EXPECT_EQ(inputs_of(graph.steps[3]), std::vector<StepId>{0});
    EXPECT_EQ(platforms_of(graph, 3), "linux/arm64");
}

TEST(Platforms, one_alone_is_what_it_was) {
    Graph graph = join_graphs({planned("arm64", "all")});
    EXPECT_EQ(graph.steps.size(), 3u);
    EXPECT_TRUE(graph.more.empty());
    EXPECT_EQ(platforms_of(graph, 2), "");
}

TEST(Platforms, an_output_that_holds_one_is_refused_for_several) {
    Graph one = planned("arm64", "all"), two = join_graphs({planned("amd64", "all"), planned("arm64", "all")});
    BuildRequest request;
    request.outputs = {{"oci", {}}, {"local", {}}, {"tar", {}}, {"image", {}}};
    EXPECT_TRUE(check_outputs(two, request));
    request.outputs.push_back({"docker", {}});
    EXPECT_TRUE(check_outputs(one, request));
    auto checked = check_outputs(two, request);
    ASSERT_FALSE(checked);
    EXPECT_EQ(checked.error().code, Code::unsupported);
    EXPECT_NE(checked.error().text.find("(linux/amd64, linux/arm64)"), std::string::npos) << checked.error().text;
    request.outputs = {{"magic", {}}};
    EXPECT_EQ(check_outputs(one, request).error().code, Code::unsupported);
}

TEST(Platforms, a_program_for_another_machine_is_explained) {
    Step step;
    step.name = "[linux/s390x 2/2] RUN true";
    step.platform = platform("s390x");
    const Error failed = fail(Code::invalid, "process \"/bin/sh -c true\": exec: \"/bin/sh\": exec format error");
    const Error told = explain_foreign(step, failed);
    for (const char* part : {"linux/s390x", "RUN true", "binfmt_misc", "$BUILDPLATFORM", "exec format error"})
        EXPECT_NE(told.text.find(part), std::string::npos) << told.text;
    EXPECT_EQ(told.code, Code::unsupported);
    const Error other = fail(Code::invalid, "exit code: 3");
    EXPECT_EQ(explain_foreign(step, other).text, other.text);
    step.platform = own_platform();
    EXPECT_EQ(explain_foreign(step, failed).text, failed.text);
}

}  // namespace gantry::build
