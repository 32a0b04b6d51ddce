// Stages, targets, names, arguments before FROM, platforms, named contexts, triggers.
#include "tests/unit/core/build/dockerfile/plan_fixture.hpp"

namespace gantry::build::dockerfile {

TEST_F(PlanTest, leaves_out_stages_that_the_target_does_not_need) {
    const char* text =
        "FROM debian:12 AS build\nRUN make\nFROM missing AS unused\nRUN x\nFROM scratch AS web\nCOPY --from=build /out "
        "/\n"
        "FROM debian:12 AS debug\nRUN y\n";
    options.target = "Web";
    Graph graph = plan(text);
    EXPECT_EQ(asked, Words{library + "debian:12 linux/amd64"});
    EXPECT_EQ(names(graph), (Words{"[build 1/2] FROM " + library + "debian:12", "[build 2/2] RUN make",
                                   "[web 1/1] COPY --from=build /out /"}));
    EXPECT_EQ(graph.steps[1].stage, "build");
    EXPECT_EQ(copy(graph).from, 1u);
    EXPECT_EQ(copy(graph).sources, Words{"out"});
    EXPECT_EQ(all<FileChange>(graph)[0]->base, std::nullopt);
    EXPECT_EQ(graph.target.result, 2u);
    EXPECT_EQ(graph.target.layer_steps, std::vector<StepId>{2});
    EXPECT_TRUE(graph.target.base_config.is_null());
    options.target = "1";
    EXPECT_EQ(error(text), "Dockerfile:3: " + library + "missing:latest: no such image");
    options.target = "";
    options.all_stages = true;
    EXPECT_EQ(error(text), "Dockerfile:3: " + library + "missing:latest: no such image");
}

TEST_F(PlanTest, targets_that_are_not_there_name_those_that_are) {
    options.target = "wep";
    EXPECT_EQ(error("FROM scratch AS web\nFROM scratch AS db"),
              "Dockerfile: there is no stage \"wep\" (did you mean web?)");
    EXPECT_EQ(try_plan("FROM scratch").error().code, Code::not_found);
    options.target = "production";
    EXPECT_EQ(error("FROM scratch AS web\nFROM scratch AS db"),
              "Dockerfile: there is no stage \"production\", there are web db");
    EXPECT_EQ(error("FROM scratch"), "Dockerfile: there is no stage \"production\", stages have no name here");
    options.target = "";
    options.no_cache_filter = {"wep"};
    EXPECT_EQ(error("FROM scratch AS web"),
              "Dockerfile: no-cache-filter: there is no stage \"wep\" (did you mean web?)");
}

TEST_F(PlanTest, a_stage_goes_on_with_what_another_was) {
    Graph graph = plan(
        "FROM debian:12 AS a\nARG v=1\nENV e=2\nWORKDIR /w\nCMD [\"x\"]\nFROM A AS b\nRUN echo $v $e\nFROM b\nENV "
        "f=$v$e");
    EXPECT_EQ(names(graph),
              (Words{"[a 1/2] FROM " + library + "debian:12", "[a 2/2] WORKDIR /w", "[b 1/1] RUN echo $v $e"}));
    EXPECT_EQ(all<Exec>(graph)[0]->env, (Words{"PATH=/bin", "v=1", "e=2"}));
    EXPECT_EQ(graph.target.config["config"]["Env"], (Json{"PATH=/bin", "e=2", "f=12"}));
    EXPECT_EQ(graph.target.config["config"]["Cmd"], Json{"x"});
    EXPECT_EQ(graph.target.layer_steps, (std::vector<StepId>{1, 2}));
    EXPECT_EQ(graph.target.base_reference, library + "debian:12");
    EXPECT_EQ(history(graph).back(), "ENV f=12 -");
}

TEST_F(PlanTest, one_image_is_one_step_for_all_stages) {
    Graph graph = plan(
        "FROM debian:12 AS a\nRUN x\nFROM debian:12\nCOPY --from=a /x /\nCOPY --from=debian:12 /y /\nCOPY "
        "--from=" +
        library + "debian:12 /z /");
    EXPECT_EQ(all<ImageSource>(graph).size(), 1u);
    EXPECT_EQ(asked.size(), 1u);
    EXPECT_EQ(all<ImageSource>(graph)[0]->digest, "sha256:config");
    EXPECT_EQ(copy(graph, 1).from, 0u);
}

TEST_F(PlanTest, names_after_from_are_stages_numbers_images_or_contexts) {
    options.contexts = {
        {"files", {}}, {"other", {"python:3.9-slim-buster"}}, {library + "debian:12", {"python:3.9-slim-buster"}}};
    Graph graph = plan(
        "FROM scratch AS s\nCOPY a /\nFROM scratch\nCOPY --from=0 /a /1\nCOPY --from=S /a /2\nCOPY --from=files b* "
        "/3/\n"
        "COPY --from=other /c /4\nCOPY --from=debian:12 /d /5\nRUN --mount=type=bind,from=s,target=/m x");
    EXPECT_EQ(copy(graph, 1).from, copy(graph, 2).from);
    EXPECT_EQ(asked, Words{library + "python:3.9-slim-buster linux/amd64"});
    EXPECT_EQ(copy(graph, 4).from, copy(graph, 5).from);
    ASSERT_EQ(all<ContextSource>(graph).size(), 2u);
    EXPECT_EQ(all<ContextSource>(graph)[1]->name, "files");
    EXPECT_EQ(all<ContextSource>(graph)[1]->paths, Words{"b*"});
    EXPECT_EQ(names(graph)[4], "[context files] load from client");
}

TEST_F(PlanTest, a_context_may_stand_instead_of_a_stage_or_an_image) {
    options.contexts = {{"base", {"python:3.9-slim-buster"}}};
    Graph graph = plan("FROM missing AS base\nRUN never\nFROM base\nCMD [\"a\"]");
    EXPECT_EQ(names(graph), Words{"[base 1/1] FROM " + library + "python:3.9-slim-buster"});
    EXPECT_EQ(graph.target.base_reference, library + "python:3.9-slim-buster");
    options.contexts = {{"rootfs", {}}};
    graph = plan("FROM rootfs\nRUN a");
    EXPECT_EQ(names(graph), (Words{"[context rootfs] load from client", "[1/2] FROM rootfs", "[2/2] RUN a"}));
    EXPECT_EQ(copy(graph).sources, Words{"."});
    EXPECT_EQ(graph.target.layer_steps, (std::vector<StepId>{1, 2}));
    options.contexts = {{"debian", {"debian:12"}}};
    EXPECT_EQ(plan("FROM debian").target.base_reference, library + "debian:12");
    options.contexts = {{"x", {"Bad"}}};
    EXPECT_EQ(error("FROM x"),
              "Dockerfile:1: FROM: build context \"x\": invalid reference format: repository name must be lowercase");
}

TEST_F(PlanTest, names_that_lead_nowhere_say_why) {
    for (auto [text, wrong] : std::initializer_list<std::pair<std::string, std::string>>{
             {"FROM scratch AS a\nCOPY --from=b /x /\nFROM scratch AS b\nFROM a",
              "Dockerfile:2: from=b: that stage comes later, in line 3; allowed are stages before this one"},
             {"FROM scratch AS a\nCOPY --from=a /x /", "Dockerfile:2: from=a: a stage cannot copy from itself"},
             {"FROM scratch\nFROM scratch\nCOPY --from=1 /x /",
              "Dockerfile:3: from=1: a stage cannot copy from itself: 0 to 0"},
             {"FROM scratch\nCOPY --from=1 /x /\nFROM scratch\nFROM 0",
              "Dockerfile:4: " + library + "0:latest: no such image"},
             {"FROM scratch AS a\nCOPY --from=1 /x /\nFROM scratch AS b\nFROM a",
              "Dockerfile:2: from=1: that stage comes later, allowed are those before this one"},
             {"FROM scratch\nCOPY --from=7 /x /", "Dockerfile:2: from=7: there is no such stage"},
             {"FROM scratch\nCOPY --from=scratch /x /", "Dockerfile:2: from=scratch: there is nothing in it to copy"},
             {"FROM scratch AS a\nFROM scratch\nCOPY --from=a /x /",
              "Dockerfile:3: COPY --from=a: there is nothing in it to copy"},
             {"FROM scratch AS a\nFROM debian:12\nRUN --mount=type=bind,from=a,target=/a x",
              "Dockerfile:3: RUN --mount from=a: there is nothing in it"},
             {"FROM scratch\nCOPY --from=$a /x /",
              "Dockerfile:2: from=$a: variables are not expanded here; a stage can have them: FROM $a AS name"},
             {"FROM debian:12\nRUN --mount=type=bind,from=${a},target=/a x",
              "Dockerfile:2: from=${a}: variables are not expanded here; a stage can have them: FROM ${a} AS name"},
             {"FROM scratch\nCOPY --from=A!b /x /",
              "Dockerfile:2: from: \"A!b\": invalid reference format: repository name must be lowercase"},
             {"FROM Debian",
              "Dockerfile:1: FROM: \"Debian\": invalid reference format: repository name must be lowercase"},
             {"FROM scratch AS builder\nFROM scratch\nCOPY --from=bulder /x /",
              "Dockerfile:3: " + library + "bulder:latest: no such image: perhaps \"builder\" was meant"},
             {"FROM buld\nFROM scratch AS build\nFROM buld",
              "Dockerfile:3: " + library + "buld:latest: no such image: perhaps \"build\" was meant"},
             {"RUN a\nFROM scratch", "Dockerfile:1: RUN stands before the first FROM, allowed there is ARG"},
             {"ARG a", "Dockerfile: the Dockerfile has no FROM"}})
        EXPECT_EQ(error(text), wrong) << text;
}

TEST_F(PlanTest, FROM_sees_the_arguments_before_it) {
    const char* text =
        "ARG name=debian\nARG tag=${name}x\nARG tag=12\nFROM ${name}:${tag}\nRUN echo $tag\nARG tag\nARG name=own\nRUN "
        "echo";
    Graph graph = plan(text);
    EXPECT_EQ(graph.target.base_reference, library + "debian:12");
    EXPECT_EQ(all<Exec>(graph)[0]->env, Words{"PATH=/bin"});
    EXPECT_EQ(all<Exec>(graph)[1]->env, (Words{"PATH=/bin", "tag=12", "name=own"}));
    EXPECT_EQ(history(graph)[2], "ARG tag=12 -");
    EXPECT_EQ(history(graph)[4], "RUN |2 tag=12 name=own /bin/sh -c echo");
    options.args = {{"tag", "3.9-slim-buster"}, {"name", "python"}, {"never", "declared"}};
    graph = plan(text);
    EXPECT_EQ(graph.target.base_reference, library + "python:3.9-slim-buster");
    EXPECT_EQ(all<Exec>(graph)[1]->env.back(), "name=python");
    options.args = {{"name", ""}, {"tag", ""}};
    EXPECT_EQ(error("ARG name=a\nFROM $name"), "Dockerfile:2: FROM \"$name\" is empty once its variables are put in");
    options.args = {};
    EXPECT_EQ(error("FROM ${a:?needed}"), "Dockerfile:1: a: needed");
    EXPECT_EQ(error("ARG a='x\nFROM $a"), "Dockerfile:1: the quote ' is not closed in \"'x\"");
    options.args = {{"a=b", "c"}};
    EXPECT_EQ(error("FROM scratch"),
              "Dockerfile: build argument \"a=b\": allowed is a name without \"=\" and a value of UTF-8 text");
}

TEST_F(PlanTest, platforms_are_arguments_too) {
    image("tools", "{}", R"({"architecture":"arm64"})");
    options.platform = {"linux", "arm", "v7"};
    options.build_platform = {"linux", "arm64", ""};
    Graph graph = plan(
        "FROM --platform=$BUILDPLATFORM tools AS build\nARG TARGETPLATFORM TARGETOS TARGETARCH TARGETVARIANT "
        "BUILDPLATFORM BUILDOS BUILDARCH "
        "BUILDVARIANT TARGETSTAGE\nRUN go\nFROM scratch\nCOPY --from=build /o /");
    EXPECT_EQ(asked, Words{library + "tools:latest linux/arm64"});
    EXPECT_EQ(all<Exec>(graph)[0]->env,
              (Words{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TARGETPLATFORM=linux/arm/v7",
                     "TARGETOS=linux", "TARGETARCH=arm", "TARGETVARIANT=v7", "BUILDPLATFORM=linux/arm64",
                     "BUILDOS=linux", "BUILDARCH=arm64", "BUILDVARIANT=", "TARGETSTAGE=default"}));
    EXPECT_EQ(graph.steps[1].platform.text(), "linux/arm64");
    EXPECT_EQ(graph.steps[2].platform.text(), "linux/arm/v7");
    EXPECT_EQ(graph.target.config["architecture"], "arm");
    EXPECT_EQ(graph.target.config["variant"], "v7");
    options.multi_platform = true;
    EXPECT_EQ(names(plan("FROM --platform=$BUILDPLATFORM tools\nRUN a")),
              (Words{"[linux/arm64 1/2] FROM " + library + "tools:latest", "[linux/arm64 2/2] RUN a"}));
    EXPECT_EQ(plan("FROM --platform=$BUILDPLATFORM tools").target.config["architecture"], "arm");
    EXPECT_EQ(error("FROM --platform=linux/amd46 tools"),
              "Dockerfile:1: FROM --platform=linux/amd46: invalid platform: found \"linux/amd46\", allowed is "
              "os/architecture[/variant] (did you mean amd64?)");
    EXPECT_EQ(try_plan("FROM --platform=windows/amd64 tools").error().code, Code::unsupported);
}

TEST_F(PlanTest, triggers_of_a_base_come_first) {
    image("onbuild", R"({"OnBuild":["ARG v=1","COPY --from=debian:12 /etc /e","RUN <<EOF\nbuild $v\nEOF"]})");
    Graph graph = plan("FROM onbuild\nRUN own");
    EXPECT_EQ(names(graph), (Words{"[1/4] FROM " + library + "onbuild:latest", "FROM " + library + "debian:12",
                                   "[2/4] ONBUILD COPY --from=debian:12 /etc /e", "[3/4] ONBUILD RUN <<EOF (build $v)",
                                   "[4/4] RUN own"}));
    EXPECT_EQ(graph.steps[3].lines.first, 1);
    EXPECT_FALSE(graph.target.config["config"].contains("OnBuild"));
    EXPECT_EQ(all<Exec>(graph)[0]->argv.back(), "build $v\n");
    // Those of a stage are for the stages on it, and for images on the target.
    graph = plan("FROM debian:12 AS a\nONBUILD RUN trigger\nONBUILD ENV x=$y\nRUN a\nFROM a\nENV y=1\nRUN b");
    EXPECT_EQ(names(graph), (Words{"[a 1/2] FROM " + library + "debian:12", "[a 2/2] RUN a",
                                   "[stage-1 1/2] ONBUILD RUN trigger", "[stage-1 2/2] RUN b"}));
    options.target = "a";
    EXPECT_EQ(config("FROM debian:12 AS a\nONBUILD RUN trigger\nONBUILD ENV x=$y")["OnBuild"],
              (Json{"RUN trigger", "ENV x=$y"}));
    options.target = "";
    image("bad", R"({"OnBuild":["FROM x"]})");
    EXPECT_EQ(error("FROM bad"),
              "Dockerfile:1: a trigger of bad: ONBUILD FROM is not allowed: a trigger is neither ONBUILD nor FROM nor "
              "MAINTAINER");
    image("bad", R"({"OnBuild":["RUN a\nRUN b"]})");
    EXPECT_EQ(error("\nFROM bad"),
              "Dockerfile:2: a trigger of bad: ONBUILD: found more than one instruction, allowed is one");
    image("bad", R"({"Env":3})");
    EXPECT_EQ(error("FROM bad"),
              "Dockerfile:1: FROM bad: the image's configuration is damaged: Env is not of the kind that the "
              "specification says");
}

TEST_F(PlanTest, a_base_without_layers_is_an_empty_tree) {
    image("empty", R"({"Cmd":["a"]})", R"({"rootfs":{"type":"layers","diff_ids":[]},"history":[]})");
    Graph graph = plan("FROM empty\nCOPY a /");
    EXPECT_EQ(all<ImageSource>(graph).size(), 0u);
    EXPECT_EQ(all<FileChange>(graph)[0]->base, std::nullopt);
    EXPECT_EQ(graph.target.config["config"]["Cmd"], Json{"a"});
    EXPECT_EQ(graph.target.base_reference, library + "empty:latest");
    graph = plan("FROM scratch");
    EXPECT_EQ(graph.target.result, std::nullopt);
    EXPECT_TRUE(graph.steps.empty());
}

TEST_F(PlanTest, the_cache_is_left_alone_where_it_is_asked_for) {
    const char* text = "FROM debian:12 AS a\nRUN a\nFROM debian:12 AS b\nRUN b\nCOPY --from=a /x /";
    auto ignored = [&](const Graph& graph) {
        std::string flags;
        for (const Step& step : graph.steps) flags += step.ignore_cache ? '1' : '0';
        return flags;
    };
    EXPECT_EQ(ignored(plan(text)), "0000");
    options.no_cache = true;
    EXPECT_EQ(ignored(plan(text)), "0111");
    options.no_cache = false;
    options.no_cache_filter = {"A"};
    EXPECT_EQ(ignored(plan(text)), "0100");
    options.no_cache_filter = {"1"};
    EXPECT_EQ(ignored(plan(text)), "0011");
}

TEST_F(PlanTest, errors_of_the_resolver_keep_their_class) {
    auto graph = dockerfile::plan(
        "\nFROM debian:12", options,
        [](const std::string&, const Platform&) -> Result<ResolvedImage> {
            return fail(Code::denied, "authentication required");
        },
        &diagnosis);
    ASSERT_FALSE(graph);
    EXPECT_EQ(graph.error().code, Code::denied);
    EXPECT_EQ(graph.error().text, "Dockerfile:2: " + library + "debian:12: authentication required");
    EXPECT_EQ(diagnosis.lines.first, 2);
    options.file_name = "build/web.Dockerfile";
    EXPECT_EQ(error("FROM scratch\nRUN a \\\n  b \\\n  --x\nEXPOSE x"),
              "build/web.Dockerfile:5: EXPOSE: found \"x\", allowed is a port or a range from 1 to 65535 with /tcp, "
              "/udp or /sctp: 80, 8000-8010/udp");
    EXPECT_EQ(error("FROM scratch\nENV a \\\n"),
              "build/web.Dockerfile:2: ENV: found \"a\" alone, needed is a value: ENV name=value");
    EXPECT_EQ(error("FROM scratch\nCOPY a \\\n"),
              "build/web.Dockerfile:2: COPY needs at least a source and a destination, found \"a\"");
    EXPECT_EQ(error("FROM scratch\nENV a=1 \\\n b"),
              "build/web.Dockerfile:2-3: ENV: found \"b\" without \"=\", allowed is name=value; a value with blanks is "
              "quoted");
    EXPECT_EQ(diagnosis.lines.last, 3);
}

}  // namespace gantry::build::dockerfile
